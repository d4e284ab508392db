"""Lenity beside TRL on one workload: seconds an iteration, ratios with their spread, parts, memory, tokens, and the floor.

Engines alternate, one process at a time, ``--rounds`` times; TRL's PPOTrainer, which newer releases no longer have, runs in an
environment of its own that is made beside this file. Nothing else may be running: a second busy process makes figures of two
threads meaningless.

    python benchmarks/speed/run.py --sizes 1M,20M --lengths fixed,realistic --rounds 3
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import workload as w
from floor import Floor, floor

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PPO_PACKAGES = ["trl==1.12.0", "transformers", "peft", "accelerate", "datasets", "requests", "rich", "pandas"]
OURS = ("shared", "separate", "shared-bf16", "separate-bf16", "shared-compiled")
BASELINE, NEWEST = "TRL PPOTrainer", "TRL GRPOTrainer"


@dataclass
class Engine:
    """A script, and what it has measured."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    def measure(self, size: str, lengths: str, steps: int) -> None:
        """One process; its median is a round."""
        script, *more = self.command[1:]
        done = subprocess.run(
            [self.command[0], str(HERE / script), size, lengths, str(steps), *more], check=False, capture_output=True, text=True, cwd=HERE, env=os.environ | w.QUIET
        )  # fmt: skip
        line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
        if line is None:
            raise SystemExit(f"{self.name} failed:\n{done.stderr[-3000:]}")
        self.last = json.loads(line[5:])
        self.seconds += self.last["seconds"]
        self.rounds.append(self.last["median"])


def environment() -> str:
    """The Python of TRL 1.12, made where it is missing."""
    folder = HERE / ".venv-ppo"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "torch==2.13.0", "-c", str(ROOT / "constraints" / "cpu.txt")], check=True)
        subprocess.run([*install, "torch==2.13.0", *PPO_PACKAGES], check=True)
        (folder / "ready").touch()
    return str(python)


def engines(python: str, ours: list[str]) -> list[Engine]:
    """The peers, and Lenity in its kinds."""
    peers = [Engine(BASELINE, [python, "trl_ppo.py"]), Engine(NEWEST, [sys.executable, "trl_grpo.py"])]
    return peers + [Engine(f"Lenity, {kind}", [sys.executable, "ours.py", kind]) for kind in ours]


def ratio(other: Engine, one: Engine) -> str:
    """How many times faster ``one`` is: the median over rounds, which stand side by side, and their range."""
    found = [theirs / ours for theirs, ours in zip(other.rounds, one.rounds, strict=True)]
    return f"{statistics.median(found):.2f} [{min(found):.2f}, {max(found):.2f}]"


def table(found: list[Engine], floor: Floor) -> list[str]:
    """One row an engine."""
    baseline, newest = found[0], found[1]
    lines = [
        f"| engine | s an iteration | {BASELINE} ÷ this | {NEWEST} ÷ this | × floor | peak MiB | parts, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for engine in found:
        median = statistics.median(engine.seconds)
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in engine.last["parts"].items())
        lines.append(
            f"| {engine.name} {engine.last['version']} | {median:.2f} | {ratio(baseline, engine)} | {ratio(newest, engine)} | "
            f"{median / floor.seconds:.1f} | {engine.last['peak_bytes'] / 2**20:,.0f} | {parts} |"
        )
    return lines


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1M,20M", help=f"of {', '.join(w.SIZES)}")
    parser.add_argument("--lengths", default="fixed,realistic", help="of the responses")
    parser.add_argument("--engines", default=",".join(OURS), help="of Lenity: critic, and bf16 or compiled")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each engine, alternating")
    parser.add_argument("--steps", type=int, default=4, help="iterations timed in each, after one to warm up")
    options = parser.parse_args()
    python = environment()
    for size in options.sizes.split(","):
        for lengths in options.lengths.split(","):
            folder, found = w.assets(size, lengths), engines(python, options.engines.split(","))
            for number in range(options.rounds):
                for engine in found:
                    print(f"{size}, {lengths}, round {number + 1} of {options.rounds}: {engine.name}", file=sys.stderr)
                    engine.measure(size, lengths, options.steps)
            least = floor(folder, found[2].last["length"])
            print(f"\n### {size} parameters, {lengths} lengths\n\n{least}\n")
            print("\n".join(table(found, least)), flush=True)


if __name__ == "__main__":
    main()
