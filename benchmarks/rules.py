"""What a rule costs against the plainest one, for batches of several sizes and numbers of objectives.

Ratios of medians, measured side by side in one run; times of one machine mean nothing on another.
"""

from __future__ import annotations

import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from lenity.aggregation import PLC, RULES, AdvantageRule

TOKENS = (1_000, 16_000, 128 * 512)
OBJECTIVES = (2, 3, 8)
ROUNDS = 30


def rules() -> dict[str, AdvantageRule]:
    """Every registered rule, and each gate of PLC."""
    found = {name: RULES[name]() for name in RULES if name != "plc"}
    return found | {f"plc {gate}": PLC(gate=gate) for gate in ("sigmoid", "centered", "net")}


def seconds(rule: AdvantageRule, advantages: torch.Tensor, weights: torch.Tensor) -> float:
    start = time.perf_counter()
    rule.rectify(advantages, weights)
    return time.perf_counter() - start


def main() -> None:
    named = rules()
    table = Table(title=f"Cost of a rule, as a multiple of linear's (median of {ROUNDS} rounds side by side)")
    for heading in ("tokens", "objectives", "linear, ms", *(name for name in named if name != "linear")):
        table.add_column(heading, justify="right")
    for tokens in TOKENS:
        for objectives in OBJECTIVES:
            advantages = torch.randn(tokens, objectives)
            weights = torch.full((objectives,), 1 / objectives)
            times: dict[str, list[float]] = {name: [] for name in named}
            for _ in range(ROUNDS):  # interleaved, so that a slow moment hits all alike
                for name, rule in named.items():
                    times[name].append(seconds(rule, advantages, weights))
            median = {name: statistics.median(found) for name, found in times.items()}
            ratios = [f"{median[name] / median['linear']:.1f}" for name in named if name != "linear"]
            table.add_row(f"{tokens:,}", str(objectives), f"{1e3 * median['linear']:.3f}", *ratios)
    Console().print(table)


if __name__ == "__main__":
    main()
