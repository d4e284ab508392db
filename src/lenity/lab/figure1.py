"""Figure 1 of the PLC paper, measured: the paths of linear scalarisation, MGDA and each gate from one start on one landscape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.config.load import parse
from lenity.lab.ascent import Watch, ascend, constant
from lenity.lab.equilibria import Kind, classify
from lenity.lab.hand_made import START, compromise
from lenity.lab.landscape import Landscapes
from lenity.lab.world import Weights
from lenity.rules import MGDA, PLC, Linear, Rule

RATE = 0.3
DECAYED = {"schedule": "linear", "schedule_end": 0.6}
SAME = 0.3  # maxima that lie closer are one
EPSILON, TOLERANCE = 1e-2, 1e-4  # of the classifier


@dataclass(frozen=True)
class Track:
    """The path of one rule.

    Args:
        name: of the rule; its family (``linear``, ``mgda``, a gate) comes first.
        theta: every iterate, (T + 1, 2).
        values: J of each, (T + 1, K).
        scalar: w . J of each, (T + 1,).
        kind: of the end, by Definitions 1-3.
        escaped: linear scalarisation, started from the end, climbs another peak than it does from the start.
    """

    name: str
    theta: Float[Tensor, "T 2"]
    values: Float[Tensor, "T K"]
    scalar: Float[Tensor, " T"]
    kind: Kind
    escaped: bool

    @property
    def family(self) -> str:
        """``linear``, ``mgda`` or the gate."""
        return self.name.split(",")[0]

    @property
    def decayed(self) -> bool:
        """Whether leniency decays to 0."""
        return "→" in self.name


def rules(temperature: float) -> dict[str, Rule]:
    """The rules that are compared, by name; raises ``ConfigError`` if the temperature is not a positive number."""
    found: dict[str, Rule] = {"linear": Linear(), "mgda": MGDA()}
    for gate in ("sigmoid", "centered", "net"):
        settings = {"gate": gate, "temperature": temperature, "schedule": "constant"}
        found[f"{gate}, λ = 1"] = parse(PLC, settings, "figure1")
        found[f"{gate}, λ → 0"] = parse(PLC, settings | DECAYED, "figure1")
    return found


def tracks(weights: Weights, temperature: float, steps: int) -> Iterator[Track]:
    """The paths of the rules, one after the other; decaying leniency reaches 0 at .6 of the steps."""
    world = compromise()
    start = torch.tensor([START], dtype=torch.float64)
    home = _summit(world, weights, start)
    for name, rule in rules(temperature).items():
        seen: list[Tensor] = []
        end = ascend(world, rule, weights, start, steps=steps, rate=constant(RATE), watch=_recorder(seen))
        theta = torch.cat([*seen, end])
        values = world.on_grid(theta)[0]
        jacobian = world.closed_form(end)[1][0]
        yield Track(
            name, theta, values, values @ weights[0], classify(jacobian, weights[0], EPSILON, TOLERANCE).kind,
            bool((_summit(world, weights, end) - home).norm() > SAME),
        )  # fmt: skip


def _recorder(seen: list[Tensor]) -> Watch:
    return lambda step, theta, point, direction: seen.append(theta)


def _summit(world: Landscapes, weights: Weights, theta: Tensor) -> Tensor:
    """The end point of linear scalarisation from ``theta``."""
    return ascend(world, Linear(), weights, theta, steps=1000, rate=constant(RATE))


def table(found: list[Track], weights: Weights) -> Any:
    """The end points of the rules as a table for the terminal."""
    from rich.table import Table

    best = compromise().attainable(weights)[1].item()
    shown = ", ".join(f"{weight:g}" for weight in weights[0].tolist())
    result = Table(title=f"w = ({shown}); the best attainable w · J is {best:.3f}", title_justify="left")
    for heading in ("rule", "J₁", "J₂", "w · J", "escaped", "kind of point"):
        result.add_column(heading, justify="right" if "J" in heading else "left")
    for track in found:
        first, second = track.values[-1].tolist()
        escaped = "[green]yes[/green]" if track.escaped else "no"
        result.add_row(
            track.name, f"{first:.3f}", f"{second:.3f}", f"{track.scalar[-1].item():.3f}", escaped, track.kind
        )
    return result


def write(found: list[Track], weights: Weights, temperature: float, folder: Path) -> Path:
    """The path of ``figure1.json``, after settings and end points were written to it."""
    ends = [
        {"rule": track.name, "theta": track.theta[-1].tolist(), "values": track.values[-1].tolist(),
         "scalarised": track.scalar[-1].item(), "escaped": track.escaped, "kind": track.kind}
        for track in found
    ]  # fmt: skip
    settings = {"weights": weights[0].tolist(), "temperature": temperature, "steps": len(found[0].theta) - 1}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "figure1.json"
    file.write_text(json.dumps({**settings, "ends": ends}, indent=1) + "\n", encoding="utf-8")
    return file
