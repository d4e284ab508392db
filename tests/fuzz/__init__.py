"""Hostile inputs for what reads files and answers; benchmarks/fuzz.py runs them by the hundred thousand."""
