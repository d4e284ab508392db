"""Runs: their configuration, folder, checkpoints and method."""
