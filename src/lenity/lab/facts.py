"""The bandit with two extremes and a compromise: the policy that each rule and setting converges to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lenity.config.load import parse
from lenity.lab.ascent import ascend, constant
from lenity.lab.bandit import TRADE_OFF, trade_off
from lenity.lab.drawing import COLOURS, new_figure, save_figure
from lenity.lab.world import Point, Weights
from lenity.rules import PLC, Linear, Rule

RATE = 8.0


@dataclass(frozen=True)
class Fact:
    """The result of a rule that starts at the uniform policy.

    Args:
        rule: name of the rule, which begins with its gate.
        policy: probability of each action at the end.
        values: J at the end.
        curve: w . J before each step.
    """

    rule: str
    policy: list[float]
    values: list[float]
    curve: list[float]


def rules(temperature: float) -> dict[str, Rule]:
    """The rules by name: linear scalarisation and each gate, ``sigmoid`` also with decaying leniency."""
    linear: dict[str, Rule] = {"linear": Linear()}
    settings: dict[str, dict[str, Any]] = {
        "sigmoid, λ = 1": {"gate": "sigmoid", "schedule": "constant"},
        "sigmoid, λ → 0 in a line": {"gate": "sigmoid", "schedule": "linear", "schedule_end": 0.6},
        "sigmoid, λ → 0 as a cosine": {"gate": "sigmoid", "schedule": "cosine", "schedule_end": 0.6},
        "centered, λ = 1": {"gate": "centered", "schedule": "constant"},
        "net, λ = 1": {"gate": "net", "schedule": "constant"},
    }
    return linear | {
        name: parse(PLC, chosen | {"temperature": temperature}, "bandit") for name, chosen in settings.items()
    }


def facts(weights: Weights, temperature: float = 0.5, steps: int = 4000) -> Iterator[Fact]:
    """The results of the rules, one after the other, each from the uniform policy."""
    world, start = trade_off(), torch.zeros(1, len(TRADE_OFF), dtype=torch.float64)
    for name, rule in rules(temperature).items():
        curve: list[float] = []

        def record(step: int, theta: Tensor, point: Point, direction: Tensor, curve: list[float] = curve) -> None:
            curve.append(float(weights[0] @ point.values[0]))

        point = world.at(ascend(world, rule, weights, start, steps=steps, rate=constant(RATE), watch=record))
        yield Fact(name, point.probabilities[0].tolist(), point.values[0].tolist(), curve)


def table(found: list[Fact], weights: Weights) -> Any:
    """The results as a table for the terminal."""
    from rich.table import Table

    shown = ", ".join(f"{weight:g}" for weight in weights[0].tolist())
    actions = "  ".join(str(action) for action in TRADE_OFF)
    result = Table(title=f"Actions worth {actions}; w = ({shown})", title_justify="left")
    for heading in ("rule", "J", "w · J", "chance of each action"):
        result.add_column(heading)
    for fact in found:
        values, policy = (", ".join(f"{x:.3f}" for x in numbers) for numbers in (fact.values, fact.policy))
        result.add_row(fact.rule, f"({values})", f"{_scalar(fact, weights):.4f}", policy)
    return result


def save(found: list[Fact], weights: Weights, folder: Path) -> list[Path]:
    """The paths of ``bandit.json`` and the figure, after they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bandit.json"
    file.write_text(json.dumps([asdict(fact) | {"curve": fact.curve[::50]} for fact in found], indent=1) + "\n")
    return [file, *_draw(found, weights, folder)]


def _draw(found: list[Fact], weights: Weights, folder: Path) -> list[Path]:
    figure = new_figure(9.5, 3.6)
    left, right = figure.subplots(1, 2)
    for fact in found:
        left.semilogx(range(1, len(fact.curve) + 1), fact.curve, label=fact.rule, **_style(fact))
    left.set(title="value of the policy", xlabel="step", ylabel="w · J")
    left.legend(frameon=False, fontsize=8, loc="center", bbox_to_anchor=(0.58, 0.45))
    names, below = [fact.rule for fact in found], [0.0] * len(found)
    for number, (action, shade) in enumerate(zip(TRADE_OFF, ("#56B4E9", "#E69F00", "#009E73"), strict=True)):
        chances = [fact.policy[number] for fact in found]
        right.barh(names, chances, left=below, color=shade, label=f"action worth {action}")
        below = [a + b for a, b in zip(below, chances, strict=True)]
    right.invert_yaxis()
    right.set(title="the policy at the end", xlabel="chance", xlim=(0, 1))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False, fontsize=8)
    return save_figure(figure, folder / "bandit")


def _style(fact: Fact) -> dict[str, Any]:
    """The line style of a rule: linear is broad, since other curves lie on it; decaying leniency is dashed or dotted."""
    line = "--" if "line" in fact.rule else ":" if "cosine" in fact.rule else "-"
    linear = fact.rule == "linear"
    return {
        "color": COLOURS[fact.rule.split(",")[0]], "linestyle": "-" if linear else line, "linewidth": 6 if linear else 2,
        "alpha": 0.35 if linear else 1,
    }  # fmt: skip


def _scalar(fact: Fact, weights: Weights) -> float:
    return float(sum(w * value for w, value in zip(weights[0].tolist(), fact.values, strict=True)))
