"""How time and memory grow with objectives, response length, batch, parameters and points of a front.

Every measurement is a process of its own, and the settings of a curve alternate over the rounds. Rewards are functions that cost
nothing, so that "everything but the reward models" is all there is. A fit is t = a + b x^p, by least squares over p in 0.5..2.

    python benchmarks/speed/growth.py --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import workload as w

BASE = {"objectives": 2, "length": 48, "batch": 32, "size": "1M", "method": "plc"}
CURVES: dict[str, Sequence[Any]] = {
    "objectives": (1, 2, 4, 8, 16),
    "objectives (pcgrad)": (2, 4, 8, 16),
    "length": (12, 24, 48, 96, 192),
    "batch": (8, 16, 32, 64, 128),
    "size": ("1M", "5M", "20M"),
}


def curve(name: str) -> tuple[str, dict[str, Any]]:
    """The setting that a curve changes, and what else it sets."""
    if name == "objectives (pcgrad)":
        return "objectives", {"method": "torchjd:PCGrad"}
    return name, {}


def main() -> None:
    """Measure every curve, or, called with ``--one``, a single setting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--curves", default=",".join(CURVES))
    parser.add_argument("--one", help="settings as JSON: run them here")
    options = parser.parse_args()
    if options.one:
        one(**json.loads(options.one))
        return
    for name in options.curves.split(","):
        field, more = curve(name)
        rows: dict[Any, list[dict[str, Any]]] = {value: [] for value in CURVES[name]}
        for number in range(options.rounds):
            for value, found in rows.items():
                print(f"{name} {value}, round {number + 1} of {options.rounds}", file=sys.stderr)
                found.append(apart(BASE | more | {field: value}))
        print(f"\n### {name}\n\n" + "\n".join(table(field, rows)), flush=True)


def apart(settings: dict[str, Any]) -> dict[str, Any]:
    """Figures of one process."""
    command = [sys.executable, __file__, "--one", json.dumps(settings)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=Path(__file__).parent, env=os.environ | w.QUIET
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
    if line is None:
        raise SystemExit(done.stderr[-3000:])
    found: dict[str, Any] = json.loads(line[5:])
    return found


def one(objectives: int, length: int, batch: int, size: str, method: str) -> None:
    """Four iterations after one to warm up."""
    import torch

    from lenity.config.load import parse
    from lenity.methods import train
    from lenity.runs.config import RunConfig

    torch.set_num_threads(2)
    folder, place = w.assets(size, "fixed"), Path(tempfile.mkdtemp())
    (place / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in w.prompts(folder)))
    names = [f"r{k}" for k in range(objectives)]
    (place / "free.py").write_text(
        "".join(f"def {name}(prompts, responses):\n    return [hash(text + '{name}') % 97 / 97 for text in responses]\n" for name in names)
    )  # fmt: skip
    config = {
        "output": str(place / "run"), "iterations": 5, "method": method,
        "policy": {"model": str(folder / "policy"), "dtype": "float32", "lora": {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": w.LORA["target_modules"]}},
        "prompts": {"type": "columns", "dataset": str(place / "prompts.jsonl")},
        "weights": dict.fromkeys(names, 1 / objectives),
        "rewards": {name: {"type": "function", "function": f"{place / 'free.py'}:{name}"} for name in names},
        "rollout": {"batch_size": batch, "max_new_tokens": length, "min_new_tokens": length},
        "ppo": {"epochs": w.EPOCHS, "mini_batch_size": w.MINI, "accumulation": 1},
        "standardisation": {"prompts": 32}, "checkpoint": {"every": 1000}, "logging": {"progress": False},
    }  # fmt: skip
    rows = train(parse(RunConfig, config)).metrics()[1:]
    parts = {name: statistics.median(row["seconds"][name] for row in rows) for name in rows[0]["seconds"]}
    w.emit(parts=parts, seconds=sum(seconds for name, seconds in parts.items() if name != "score"))


def table(field: str, rows: dict[Any, list[dict[str, Any]]]) -> list[str]:
    """Medians over rounds with their range, relative to the first setting, and the fit."""
    first = statistics.median(found["seconds"] for found in next(iter(rows.values())))
    lines = [
        f"| {field} | s an iteration, without rewards | ÷ the first | peak MiB | generate, advantages, update, s |",
        "| ---: | ---: | ---: | ---: | --- |",
    ]
    for value, found in rows.items():
        seconds = sorted(each["seconds"] for each in found)
        median = statistics.median(seconds)
        parts = ", ".join(
            f"{statistics.median(each['parts'][name] for each in found):.2f}"
            for name in ("generate", "advantages", "update")
        )
        peak = statistics.median(each["peak_bytes"] for each in found) / 2**20
        lines.append(
            f"| {value} | {median:.2f} [{seconds[0]:.2f}, {seconds[-1]:.2f}] | {median / first:.2f} | {peak:,.0f} | {parts} |"
        )
    if all(isinstance(value, int) for value in rows):
        lines += [
            "",
            fit(field, list(rows), [statistics.median(each["seconds"] for each in found) for found in rows.values()]),
        ]
    return lines


def fit(field: str, x: Sequence[float], t: Sequence[float]) -> str:
    """The best t = a + b x^p."""
    best = None
    for power in np.arange(0.5, 2.01, 0.05):
        design = np.stack([np.ones(len(x)), np.asarray(x, float) ** power], 1)
        (a, b), *_ = np.linalg.lstsq(design, np.asarray(t), rcond=None)
        error = float(np.square(design @ [a, b] - t).sum())
        if best is None or error < best[0]:
            best = error, float(a), float(b), float(power)
    assert best is not None
    return f"Fit: {best[1]:.2f} + {best[2]:.4g} {field}^{best[3]:.2f} s."


if __name__ == "__main__":
    main()
