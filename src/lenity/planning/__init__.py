"""Estimates of a run's memory, time and cost on given accelerators, from the architecture alone. No weights are loaded."""
