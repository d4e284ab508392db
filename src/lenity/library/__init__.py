"""What Python users work with: a trainer, the run that it gives, a sweep, and its front."""
