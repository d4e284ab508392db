"""Two extremes and a compromise: what each setting makes of the smallest bandit that tells them apart."""

from __future__ import annotations

from typing import Any

import torch

from lenity.aggregation import PLC, Linear, Rule
from lenity.lab.ascent import ascend, constant
from lenity.lab.bandit import TRADE_OFF, trade_off

STEPS, RATE = 4000, 8.0
SETTINGS: dict[str, Rule] = {
    "linear": Linear(),
    "plc sigmoid": PLC(gate="sigmoid"),
    "plc sigmoid, linear to 0 at .6": PLC(gate="sigmoid", schedule="linear", schedule_end=0.6),
    "plc sigmoid, cosine to 0 at .6": PLC(gate="sigmoid", schedule="cosine", schedule_end=0.6),
    "plc centered": PLC(gate="centered"),
    "plc net": PLC(gate="net"),
}


def facts(steps: int = STEPS, rate: float = RATE) -> dict[str, dict[str, list[float]]]:
    """For each setting, temperature .5, w = (.5, .5): the policy it ends at and its two values."""
    world, found = trade_off(), {}
    weights, start = torch.full((1, 2), 0.5, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    for name, rule in SETTINGS.items():
        point = world.at(ascend(world, rule, weights, start, steps=steps, rate=constant(rate)))
        found[name] = {"policy": point.probabilities[0].tolist(), "values": point.values[0].tolist()}
    return found


def table(found: dict[str, dict[str, list[float]]]) -> Any:
    """For the terminal."""
    from rich.table import Table

    result = Table(
        title=f"Actions {', '.join(map(str, TRADE_OFF))}; w = (.5, .5); exact gradients", title_justify="left"
    )
    for heading in ("rule", "J", "w · J", "policy"):
        result.add_column(heading)
    for name, end in found.items():
        values, policy = (", ".join(f"{x:.3f}" for x in end[key]) for key in ("values", "policy"))
        result.add_row(name, f"({values})", f"{sum(end['values']) / 2:.4f}", f"({policy})")
    return result
