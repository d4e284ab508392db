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
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import workload as w
from floor import Floor, floor

from lenity.models.precision import bfloat16_gain

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PPO_PACKAGES = ["trl==1.12.0", "transformers", "peft", "accelerate", "datasets", "requests", "rich", "pandas"]
OURS = [f"{critic}{more}" for more in ("", "-compiled", "-bf16", "-bf16-compiled") for critic in ("shared", "separate")]
BASELINE, NEWEST = "TRL PPOTrainer", "TRL GRPOTrainer"


@dataclass
class Engine:
    """A script, and what it has measured."""

    name: str
    command: list[str]
    seconds: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    first: float = 0.0
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def dtype(self) -> str:
        """In which it computes."""
        return "bfloat16" if "bf16" in self.name else "float32"

    def measure(self, size: str, lengths: str, steps: int, cache: str) -> None:
        """One process; its median is a round. What is compiled is kept in ``cache``, so that the first round shows what it costs."""
        script, *more = self.command[1:]
        done = subprocess.run(
            [self.command[0], str(HERE / script), size, lengths, str(steps), *more], check=False, capture_output=True, text=True, cwd=HERE, env=os.environ | w.QUIET | {"TORCHINDUCTOR_CACHE_DIR": cache}
        )  # fmt: skip
        line = next((line for line in done.stdout.splitlines() if line.startswith("JSON ")), None)
        if line is None:
            raise SystemExit(f"{self.name} failed:\n{done.stderr[-3000:]}")
        self.last = json.loads(line[5:])
        self.seconds += self.last["seconds"]
        self.rounds.append(self.last["median"])
        self.first = max(self.first, self.last.get("first", 0.0))
        print(json.dumps({"size": size, "lengths": lengths, "engine": self.name, **self.last}), file=sys.stderr)


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
        f"| engine | s an iteration | {BASELINE} ÷ this | {NEWEST} ÷ this | × floor | peak MiB | tokens/s generated, trained | parts, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for engine in found:
        median, parts = statistics.median(engine.seconds), engine.last["parts"]
        tokens = w.BATCH * engine.last.get(
            "length", found[2].last["length"]
        )  # the peers do not say; they sample from the same model
        rates = f"{tokens / parts['generate']:,.0f}, {w.EPOCHS * tokens / parts['update']:,.0f}"
        shown = ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
        shown += f"; compiled in {engine.first - median:.0f}" if "compiled" in engine.name else ""
        lines.append(
            f"| {engine.name} {engine.last['version']} | {median:.2f} | {ratio(baseline, engine)} | {ratio(newest, engine)} | "
            f"{median / floor.seconds(engine.dtype):.1f} | {engine.last['peak_bytes'] / 2**20:,.0f} | {rates} | {shown} |"
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
            cache = tempfile.mkdtemp()
            for number in range(options.rounds):
                for engine in found:
                    print(f"{size}, {lengths}, round {number + 1} of {options.rounds}: {engine.name}", file=sys.stderr)
                    engine.measure(size, lengths, options.steps, cache)
            least = floor(folder, found[2].last["length"])
            gain = bfloat16_gain(w.SIZES[size][0], torch.device("cpu"))
            print(
                f"\n### {size} parameters, {lengths} lengths\n\n{least} A layer's product is {gain:.1f} times as fast in bfloat16.\n"
            )
            print("\n".join(table(found, least)), flush=True)


if __name__ == "__main__":
    main()
