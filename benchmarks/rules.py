"""What a rule costs against the plainest one of its kind, for several sizes and numbers of objectives.

Ratios of medians, measured side by side in one run; times of one machine mean nothing on another. For rules over gradients this
is the arithmetic alone: the K backward passes before it are counted in each run's `metrics.jsonl`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from lenity.rules import GAPO, PLC, RULES, AdvantageRule, GradientRule
from lenity.rules.torchjd import TorchJD

OBJECTIVES = (2, 3, 8)
ROUNDS = 30
Work = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def advantage_rules() -> dict[str, Work]:
    """Every registered rule over advantages, and each gate of PLC; linear first."""
    found = {name: RULES[name]() for name in RULES if issubclass(RULES[name], AdvantageRule) and name != "plc"}
    found |= {f"plc {gate}": PLC(gate=gate) for gate in ("sigmoid", "centered", "net")}
    return {name: rule.rectify for name, rule in sorted(found.items(), key=lambda item: item[0] != "linear")}


def gradient_rules() -> dict[str, Work]:
    """Every registered rule over gradients; P-GAPO, which solves nothing, first."""
    found = {name: RULES[name]() for name in RULES if issubclass(RULES[name], GradientRule) and name != "torchjd"}
    found |= {"gapo p=2": GAPO(power=2), "torchjd:UPGrad": TorchJD(aggregator="UPGrad")}
    return {name: rule.direction for name, rule in sorted(found.items(), key=lambda item: item[0] != "p-gapo")}


def compare(
    title: str, named: dict[str, Work], sizes: tuple[int, ...], shape: Callable[[int, int], tuple[int, int]]
) -> Table:
    """A row a size and number of objectives; the first rule in milliseconds, the others as its multiples."""
    first, *others = named
    table = Table(title=f"{title} (median of {ROUNDS} rounds side by side)")
    for heading in ("size", "objectives", f"{first}, ms", *others):
        table.add_column(heading, justify="right")
    for size in sizes:
        for objectives in OBJECTIVES:
            values, weights = torch.randn(shape(size, objectives)), torch.full((objectives,), 1 / objectives)
            times: dict[str, list[float]] = {name: [] for name in named}
            for _ in range(ROUNDS):  # interleaved, so that a slow moment hits all alike
                for name, work in named.items():
                    start = time.perf_counter()
                    work(values, weights)
                    times[name].append(time.perf_counter() - start)
            median = {name: statistics.median(found) for name, found in times.items()}
            ratios = [f"{median[name] / median[first]:.1f}" for name in others]
            table.add_row(f"{size:,}", str(objectives), f"{1e3 * median[first]:.3f}", *ratios)
    return table


def main() -> None:
    console = Console()
    console.print(compare("Tokens", advantage_rules(), (1_000, 16_000, 128 * 512), lambda size, k: (size, k)))
    console.print(compare("Parameters", gradient_rules(), (10_000, 1_000_000), lambda size, k: (k, size)))


if __name__ == "__main__":
    main()
