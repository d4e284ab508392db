"""Theorem 1, gradient recovery: at a stationary point of the linear update, PLC still moves.

There g_P + g_N = 0, with g_P and g_N the parts of the linear gradient from gains and from losses. PLC's direction is
g_P + c g_N + residual orthogonal to g_N, so ||g_PLC||^2 = (1 - c)^2 ||g_P||^2 + ||residual||^2. The inequality of the theorem
is thus Pythagoras, true of any mask; what is claimed of the gate is that c lies in (0, 1), and that is what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.families import Problem, peaks, valleys
from lenity.lab.landscape import Landscapes
from lenity.lab.stationary import stalemates
from lenity.lab.theory.check import GATES, Check
from lenity.lab.world import Point, Weights
from lenity.rules import PLC, AdvantageRule, Linear

CLAIM = "Theorem 1: at a stalemate of the linear update ‖g_PLC‖² ≥ (1−c)²‖g_P‖² > 0, c in (0, 1)"
NODES = 40
CONFLICT = 1e-3  # stalemates whose ||g_P|| is less have nothing to recover
ROUNDING = 1e-9
TEMPERATURES = (0.1, 0.5, 2.0)


@dataclass(frozen=True)
class Recovery:
    """The quantities of Theorem 1 at W stationary points, (W,) each.

    Args:
        gains: ||g_P||.
        share: c, the projection of PLC's losses on g_N over ||g_N||^2.
        direction: ||g_PLC||.
    """

    gains: Float[Tensor, " W"]
    share: Float[Tensor, " W"]
    direction: Float[Tensor, " W"]

    @property
    def slack(self) -> Tensor:
        """||g_PLC||^2 - (1 - c)^2 ||g_P||^2, relative to ||g_P||^2; the theorem says at least 0."""
        return (self.direction.square() - ((1 - self.share) * self.gains).square()) / self.gains.square()


def recovery(rule: AdvantageRule, point: Point, weights: Weights) -> Recovery:
    """The decomposition of PLC's direction at stationary points."""

    def gradient(mask: Tensor) -> Tensor:
        rectified = (weights.unsqueeze(1) * mask * point.advantages).sum(-1, keepdim=True)
        return point.policy_gradient(rectified).squeeze(1)

    losing = (point.advantages < 0).to(point.advantages)
    mask = rule.objective_scale(point.advantages, weights.unsqueeze(1))
    losses, forgiven = gradient(losing), gradient(losing * mask)
    share = (forgiven * losses).sum(1) / losses.square().sum(1)
    return Recovery(gradient(1 - losing).norm(dim=1), share, gradient(mask).norm(dim=1))


def points(family: Callable[[int, int, int], Problem], objectives: int, count: int, seed: int) -> tuple[Point, Weights]:
    """Stalemates of linear scalarisation on random landscapes, with conflict."""
    problem = family(count, objectives, seed)
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    fine = worlds.finer(NODES)
    theta, stationary = stalemates(problem)
    keep = stationary & (recovery(Linear(), fine.at(theta), problem.weights).gains > CONFLICT)
    return fine.select(keep).at(theta[keep]), problem.weights[keep]


def checks(count: int = 150, seed: int = 0) -> Iterator[Check]:
    """The checks of Theorem 1 per gate at three temperatures, for K = 2, 3, 6 and both families of landscapes together."""
    sets = [points(family, objectives, count, seed) for family in (peaks, valleys) for objectives in (2, 3, 6)]
    for gate in GATES:
        for temperature in TEMPERATURES:
            rule = PLC(gate=gate, temperature=temperature)
            yield _check(rule, [recovery(rule, point, weights) for point, weights in sets])


def _check(rule: PLC, parts: list[Recovery]) -> Check:
    every = Recovery(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Recovery)))
    inside = ((every.share > 0) & (every.share < 1)).double().mean().item()
    shares = every.share.quantile(torch.tensor([0, 0.25, 0.5, 0.75, 1], dtype=torch.float64)).tolist()
    slack, kept = every.slack.min().item(), (every.direction / every.gains).median().item()
    measured = (
        f"c in (0, 1) at {100 * inside:.4g} % of {len(every.gains)} points; median {shares[2]:.3f}, from {shares[0]:.2f} to "
        f"{shares[4]:.2f}; ‖g_PLC‖ / ‖g_P‖ {kept:.3f}"
    )
    verdict = "holds" if inside == 1 else f"inequality holds; c leaves (0, 1) at {100 * (1 - inside):.2g} %"
    if slack < -ROUNDING:
        verdict = "fails"
    return Check(CLAIM, f"{rule.gate}, τ {rule.temperature:g}", measured, verdict, {
        "gate": rule.gate, "temperature": rule.temperature, "points": len(every.gains), "inside": inside,
        "share_quartiles": shares, "ratio": kept, "slack": slack,
    })  # fmt: skip
