"""Theorem 2, the limit: with Robbins-Monro steps E[g_PLC] -> 0, and with leniency going to 0 the limit is stationary for linear."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lenity.lab.ascent import ascend, robbins_monro
from lenity.lab.families import valleys
from lenity.lab.theory.check import GATES, Check
from lenity.lab.world import Point, update
from lenity.rules import PLC, Linear, Rule

OWN = "Theorem 2: with Robbins–Monro steps ‖E g_PLC‖ → 0"
LINEAR = "Theorem 2: where it ends is a stationary point of the linear objective, ‖E g‖ → 0"
SMALL = 1e-4
MARKS = 60


class Norms:
    """Watches the two norms at evenly spaced steps of log t: the rule's own direction, and the linear gradient."""

    def __init__(self, weights: Tensor, steps: int) -> None:
        self.weights = weights
        marks = torch.logspace(0, torch.log10(torch.tensor(float(steps))).item(), MARKS).round().int() - 1
        self.marks = set(marks.tolist()) | {steps - 1}
        self.steps: list[int] = []
        self.own: list[Tensor] = []
        self.linear: list[Tensor] = []

    def __call__(self, step: int, theta: Tensor, point: Point, direction: Tensor) -> None:
        """Record the two norms, (W,) each."""
        if step in self.marks:
            self.steps.append(step + 1)
            self.own.append(direction.norm(dim=1))
            self.linear.append(update(Linear(), point, self.weights).norm(dim=1))


def rules() -> dict[str, Rule]:
    """The rules that are checked: each gate, with and without a schedule."""
    found: dict[str, Rule] = {"linear": Linear()}
    for gate in GATES:
        found[f"{gate}, λ = 1"] = PLC(gate=gate, temperature=0.1, schedule="constant")
        found[f"{gate}, λ → 0"] = PLC(gate=gate, temperature=0.1, schedule="linear", schedule_end=0.6)
    return found


def checks(count: int = 60, seed: int = 0, steps: int = 6000) -> Iterator[Check]:
    """The checks of both claims per rule, K = 2, on landscapes with valleys, with step sizes .5 / (1 + t / 50)^.6."""
    problem = valleys(count, 2, seed)
    for name, rule in rules().items():
        norms = Norms(problem.weights, steps)
        ascend(problem.worlds, rule, problem.weights, problem.start, steps=steps, rate=robbins_monro(0.5), watch=norms)
        yield _check(OWN, name, norms.steps, norms.own)
        yield _check(LINEAR, name, norms.steps, norms.linear)


def _check(claim: str, name: str, steps: list[int], norms: list[Tensor]) -> Check:
    first, middle, worst = norms[0].median(), norms[-1].median(), norms[-1].max()
    small = (norms[-1] < SMALL).double().mean().item()
    measured = (
        f"median {first:.2g} → {middle:.1e}, largest {worst:.1e}; below {SMALL:g} in {100 * small:.0f} % of "
        f"{len(norms[-1])} worlds after {steps[-1]} steps"
    )
    verdict = "holds" if small == 1 else f"holds in {100 * small:.0f} %" if small > 0.5 else "fails"
    series = [[step, norm.median().item(), norm.max().item()] for step, norm in zip(steps, norms, strict=True)]
    return Check(claim, name, measured, verdict, {"rule": name, "step_median_largest": series, "below": small})
