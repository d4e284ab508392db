"""What a sweep shares: the time of a front against its number of points, beside the same runs started one by one.

Runs of ten iterations on the toy world, which must have been built (`make demo` does it), so that what is shared (starting Python,
loading models, calibration, the reference policy's rows) weighs as it does in short trials; the longer runs are, the less it matters.

    python benchmarks/speed/front.py --world runs/toy/world
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import workload as w
import yaml

ROOT = Path(__file__).parents[2]
POINTS = (2, 3, 5, 9)


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, default=ROOT / "runs" / "toy" / "world")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    if not (options.world / "policy").is_dir():
        raise SystemExit(f"'{options.world}' is not a toy world; `make demo` builds one.")
    print(
        "| points | one sweep, s | one by one, s | ratio | a further point of the sweep, s |\n| ---: | ---: | ---: | ---: | ---: |"
    )
    before = None
    for points in POINTS:
        swept, alone = [], []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as place:
                swept.append(sweep(Path(place), options.world, points))
                alone.append(separately(Path(place), options.world, points))
        now = statistics.median(swept)
        ratios = sorted(b / a for a, b in zip(swept, alone, strict=True))
        further = "" if before is None else f"{(now - before[1]) / (points - before[0]):.1f}"
        print(
            f"| {points} | {now:.1f} | {statistics.median(alone):.1f} | {statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}] | "
            f"{further} |", flush=True,
        )  # fmt: skip
        before = points, now


def settings(place: Path, world: Path, output: str) -> dict[str, object]:
    """The toy world's run with learned rewards, short."""
    run = yaml.safe_load((ROOT / "configs" / "sweep_toy_front2.yaml").read_text())["run"]
    run |= {"output": str(place / output), "iterations": 10, "logging": {"progress": False}}
    run["policy"]["model"] = str(world / "policy")
    for name, reward in run["rewards"].items():
        reward["model"] = str(world / "rewards" / name)
    return run


def sweep(place: Path, world: Path, points: int) -> float:
    """Seconds of one sweep in one worker."""
    data = {
        "run": settings(place, world, "sweep"),
        "methods": ["linear"],
        "points": [f"lattice:{points - 1}"],
        "seeds": [0],
    }
    (place / "sweep.yaml").write_text(yaml.safe_dump(data))
    return timed([["sweep", str(place / "sweep.yaml"), "--output", str(place / "sweep"), "--jobs", "1"]])


def separately(place: Path, world: Path, points: int) -> float:
    """Seconds of the same runs, each trained and measured by commands of its own."""
    commands = []
    for k in range(points):
        run = settings(place, world, f"alone{k}")
        run |= {"method": "linear", "weights": {"helpful": k / (points - 1), "harmless": 1 - k / (points - 1)}}
        (place / f"alone{k}.yaml").write_text(yaml.safe_dump(run))
        commands += [["train", str(place / f"alone{k}.yaml")], ["evaluate", str(place / f"alone{k}")]]
    return timed(commands)


def timed(commands: list[list[str]]) -> float:
    """Seconds of the commands, one after another."""
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "lenity", *command],
            check=False,
            capture_output=True,
            text=True,
            env=os.environ | w.QUIET,
        )
        if done.returncode:
            raise SystemExit(f"lenity {' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
