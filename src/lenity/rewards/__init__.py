"""Rewards: models and functions that score text, and their standardisation."""
