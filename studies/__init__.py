"""Research that writes docs/results; no part of the package."""
