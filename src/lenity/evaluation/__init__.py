"""Scores of the reference and the aligned policy on held-out prompts."""
