"""Several runs that differ in method, weights and seed."""
