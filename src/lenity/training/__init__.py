"""The training loop: setup, stages, checkpoints, metrics, calibration, and what a run will cost."""
