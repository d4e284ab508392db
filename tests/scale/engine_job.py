"""Trains with each engine in turn, as one process of several: ``engine_job.py MODEL FOLDER SERVER``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny
import vllm_double
from lenity.methods import train


def main(model: str, folder: str, url: str) -> None:
    torch.set_num_threads(1)
    engines = {
        "continuous": {"engine": "continuous"},
        "colocate": {"engine": "vllm", "vllm": {"mode": "colocate"}},
        "server": {"engine": "vllm", "vllm": {"mode": "server", "url": url}},
    }
    with vllm_double.installed():
        for name, engine in engines.items():
            rollout = {"batch_size": 5, "max_new_tokens": 6, "min_new_tokens": 0, **engine}
            changes = {"iterations": 2, "rollout": rollout, "logging": {"progress": False, "samples": 5}}
            train(tiny.run_config(model, Path(folder) / name, **changes))


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # as the command line does, past gloo's threads
