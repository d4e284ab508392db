"""Held-out scores of the reference and the aligned policy."""
