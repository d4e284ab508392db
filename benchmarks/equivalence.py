"""Every method trained by one process and by several, on the same global batch: how far the weights come apart.

A tiny model in float32 on the CPU (gloo), batches that divide by no number of processes, last steps of one row. Compared are all trained
weights (adapter and critic) of the last checkpoint, and every response. One launched job a sharding runs all methods in turn.

    python benchmarks/equivalence.py --markdown docs/results/scale.md
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from lenity.config.base import parse_member
from lenity.methods import METHODS, train
from lenity.runs.folder import RunFolder

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import tiny  # noqa: E402  of the tests

ITERATIONS, RATE, TARGET = 3, 1e-3, 1e-6
JOBS = {
    "DDP, 2": ("cpu_ddp", 2),
    "DDP, 3": ("cpu_ddp", 3),
    "FSDP2, 2": ("cpu_fsdp2", 2),
    "FSDP2, 3": ("cpu_fsdp2", 3),
    "ZeRO-2, 2": ("zero2", 2),
}
SHORTHANDS = {"gdpo": {"type": "gdpo", "responses": 5}, "torchjd": "torchjd:UPGrad"}


def methods() -> dict[str, Any]:
    """Every registered method as a configuration names it; and PCGrad, which draws at random."""
    return {name: SHORTHANDS.get(name, name) for name in METHODS} | {"torchjd:PCGrad": "torchjd:PCGrad"}


def trains(method: Any) -> bool:
    """Whether it trains in the loop; the others make their adapter in one process."""
    return parse_member(method, METHODS).loop_rule is not None


def work(folder: Path, model: Path, names: list[str]) -> None:
    """Train with each of the methods, in this process or in this one's part."""
    torch.set_num_threads(1)
    for name in names:
        weights = {"helpful": 1.0, "harmless": 0.0} if name == "solo" else {"helpful": 0.6, "harmless": 0.4}
        changes = {
            "method": methods()[name],
            "weights": weights,
            "iterations": ITERATIONS,
            "rollout": {"batch_size": 25, "max_new_tokens": 6},
            "ppo": {"epochs": 2, "mini_batch_size": 4, "accumulation": 2},
            "optimizer": {"learning_rate": RATE, "warmup_steps": 1},
            "logging": {"progress": False, "samples": 25},
        }
        train(tiny.run_config(model, folder / name.replace(":", "_"), **changes))


def launch(config: str, processes: int, *arguments: str) -> None:
    """This script under ``accelerate launch``."""
    start = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(ROOT / f"configs/accelerate/{config}.yaml")]  # fmt: skip
    command = [*start, "--num_processes", str(processes), __file__, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])


def apart(one: RunFolder, many: RunFolder) -> str:
    """The greatest difference of a weight, or that the responses were others."""
    first, second = (load_file(max(run.checkpoints.iterdir()) / "weights.safetensors") for run in (one, many))
    if (one.path / "samples.jsonl").read_bytes() != (many.path / "samples.jsonl").read_bytes():
        return "other responses"
    return f"{max((first[name] - second[name]).abs().max().item() for name in first):.1e}"


def table(names: list[str], jobs: list[str]) -> tuple[str, bool]:
    """The figures as Markdown, and whether all reach the target."""
    loop = [name for name in names if trains(methods()[name])]
    rows, good = {name: [] for name in loop}, True
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = tiny.save_model(folder / "model")
        work(folder / "one", model, loop)
        for job in jobs:
            launch(*JOBS[job], "--into", str(folder / job), "--model", str(model), "--methods", ",".join(loop))
            for name in loop:
                parts = (RunFolder(folder / place / name.replace(":", "_")) for place in ("one", job))
                rows[name].append(apart(*parts))
                good &= rows[name][-1] != "other responses" and float(rows[name][-1]) <= TARGET
    lines = ["| method | " + " | ".join(jobs) + " |", "| --- |" + " --- |" * len(jobs)]
    lines += [f"| `{name}` | " + " | ".join(rows[name]) + " |" for name in loop]
    lines += [f"| `{name}` |" + " one process only |" * len(jobs) for name in names if name not in loop]
    return "\n".join(lines) + "\n", good


def main() -> int:
    """Compare; 1 where a weight is further apart than the target."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--methods", type=lambda text: text.split(","), default=list(methods()))
    options.add_argument("--jobs", type=lambda text: text.split(";"), default=list(JOBS), help="separated by ;")
    options.add_argument("--markdown", type=Path)
    options.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.into:
        work(chosen.into, chosen.model, chosen.methods)
        sys.stdout.flush()
        os._exit(0)  # as the command line does, past gloo's threads
    found, good = table(chosen.methods, chosen.jobs)
    print(found)
    if chosen.markdown:
        about = (
            f"# One process and several\n\n<!-- Written by `make equivalence`. -->\n\n{(__doc__ or '').split('    python')[0].strip()}\n\n"
            f"Columns: sharding and number of processes. Figures: the greatest absolute difference of any trained weight after {ITERATIONS} iterations "
            f"({ITERATIONS * 8} optimizer steps of AdamW at learning rate {RATE:g}) from the run of one process; the target is {TARGET:g}. "
            "Every response of all iterations was the same, else the table would say so.\n\n"
        )
        chosen.markdown.write_text(about + found, encoding="utf-8")
    return not good


if __name__ == "__main__":
    sys.exit(main())
