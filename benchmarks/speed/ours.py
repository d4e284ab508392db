"""Lenity on the workload: PLC with two rewards, shared or separate critic, through ``lenity.training.loop``."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import workload as w

from lenity.config.load import parse
from lenity.methods import train
from lenity.runs.config import RunConfig
from lenity.training.stages import Stages

FOLDER, STEPS, KIND = w.arguments()
DTYPE = "bfloat16" if "bf16" in KIND else "float32"

place = Path(tempfile.mkdtemp())
(place / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in w.prompts(FOLDER)))
config = {
    "output": str(place / "run"),
    "iterations": STEPS + 1,
    "policy": {
        "model": str(FOLDER / "policy"), "dtype": DTYPE,
        "compile": "compiled" in KIND,
        "lora": {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": w.LORA["target_modules"]},
    },
    "prompts": {"type": "columns", "dataset": str(place / "prompts.jsonl")},
    "weights": {"first": 0.5, "second": 0.5},
    "rewards": {
        name: {"type": "model", "model": str(FOLDER / f"reward{k}"), "dtype": DTYPE} for k, name in enumerate(("first", "second"))
    },
    "critic": {"kind": KIND.split("-")[0]},
    "rollout": {"batch_size": w.BATCH, "max_new_tokens": w.RESPONSE},
    "ppo": {"epochs": w.EPOCHS, "mini_batch_size": w.MINI, "accumulation": 1},
    "optimizer": {"learning_rate": 1e-6},
    "standardisation": {"prompts": 32},
    "checkpoint": {"every": 1000},
    "logging": {"progress": False},
}  # fmt: skip
marks: list[float] = []
plain = Stages.record


def record(self: Stages, *arguments: Any, **options: Any) -> Any:
    """An iteration has ended."""
    found = plain(self, *arguments, **options)
    marks.append(time.perf_counter())
    return found


Stages.record = record  # type: ignore[method-assign]
first, *rows = train(parse(RunConfig, config)).metrics()
seconds = [after - before for before, after in pairwise(marks)]
w.emit(
    version="", seconds=seconds, median=statistics.median(seconds),
    parts={name: round(statistics.mean(row["seconds"][name] for row in rows), 4) for name in rows[0]["seconds"]},
    length=statistics.mean(row["response_length"] for row in rows), first=sum(first["seconds"].values()),
)  # fmt: skip
