"""The training loop: setup, stages, checkpoints, metrics, calibration, and estimates of time and memory."""
