"""Align language models to several preferences at once with Pareto-Lenient Consensus."""

__version__ = "0.1.0"
