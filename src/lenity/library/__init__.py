"""The Python interface: a trainer, the run that it returns, a sweep, and its front."""
