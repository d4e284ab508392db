"""Theorem 1, gradient recovery: at a stationary point of the linear update, PLC still moves.

There g_P + g_N = 0, with g_P and g_N the parts of the linear gradient from gains and from losses. PLC's direction is
g_P + c g_N + residual orthogonal to g_N, so ||g_PLC||^2 = (1 - c)^2 ||g_P||^2 + ||residual||^2. The inequality of the theorem
is thus Pythagoras, true of any mask; what is claimed of the gate is that c lies in (0, 1), and that is what is measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.aggregation import PLC, AdvantageRule, Linear
from lenity.lab.families import peaks, valleys
from lenity.lab.landscape import Landscapes
from lenity.lab.stationary import stalemates
from lenity.lab.theory.check import Check
from lenity.lab.world import Point, Weights

CLAIM = "Theorem 1: at a stalemate of the linear update ‖g_PLC‖² ≥ (1−c)²‖g_P‖² > 0, c in (0, 1)"
NODES = 40  # the gate has a kink, which Gauss-Hermite sums resolve slowly
CONFLICT = 1e-3  # stalemates whose ||g_P|| is less have nothing to recover


@dataclass(frozen=True)
class Recovery:
    """Of W stationary points: all (W,).

    Args:
        gains: ||g_P||.
        share: c, the projection of PLC's losses on g_N over ||g_N||^2.
        direction: ||g_PLC||.
    """

    gains: Float[Tensor, "W"]
    share: Float[Tensor, "W"]
    direction: Float[Tensor, "W"]

    @property
    def slack(self) -> Tensor:
        """||g_PLC||^2 - (1 - c)^2 ||g_P||^2, relative to ||g_P||^2; the theorem says at least 0."""
        return (self.direction.square() - ((1 - self.share) * self.gains).square()) / self.gains.square()


def recovery(rule: AdvantageRule, point: Point, weights: Weights) -> Recovery:
    """Split PLC's direction at stationary points."""

    def gradient(mask: Tensor) -> Tensor:
        credit = (weights.unsqueeze(1) * mask * point.advantages).sum(-1, keepdim=True)
        return point.policy_gradient(credit).squeeze(1)

    losing = (point.advantages < 0).to(point.advantages)
    mask = rule.mask(point.advantages, weights.unsqueeze(1))
    losses, forgiven = gradient(losing), gradient(losing * mask)
    share = (forgiven * losses).sum(1) / losses.square().sum(1)
    return Recovery(gradient(1 - losing).norm(dim=1), share, gradient(mask).norm(dim=1))


def points(objectives: int, count: int, seed: int) -> tuple[Point, Weights]:
    """Stalemates of linear scalarisation in both families of landscapes, with conflict."""
    kept, weights = [], []
    for family in (peaks, valleys):
        problem = family(count, objectives, seed)
        worlds = problem.worlds
        assert isinstance(worlds, Landscapes)
        fine = Landscapes(worlds.centres, worlds.widths, worlds.heights, worlds.sigma, NODES)
        theta, stationary = stalemates(problem)
        found = fine.at(theta)
        gains = recovery(Linear(), found, problem.weights).gains
        keep = stationary & (gains > CONFLICT)
        kept.append(fine.select(keep).at(theta[keep]))
        weights.append(problem.weights[keep])
    joined = Point(
        torch.cat([p.values for p in kept]), torch.cat([p.probabilities for p in kept]),
        torch.cat([p.advantages for p in kept]), kept[0].policy_gradient,
    )  # fmt: skip
    return joined, torch.cat(weights)


def checks(count: int = 150, seed: int = 0) -> list[Check]:
    """Theorem 1 for each gate at three temperatures, K = 2, 3, 6 together."""
    sets = [points(objectives, count, seed) for objectives in (2, 3, 6)]
    found = []
    for gate in ("sigmoid", "centered", "net"):
        for temperature in (0.1, 0.5, 2.0):
            rule = PLC(gate=gate, temperature=temperature)
            parts = [recovery(rule, point, weights) for point, weights in sets]
            found.append(_check(rule, [torch.cat([getattr(p, name) for p in parts]) for name in ("gains", "share", "direction")]))
    return found


def _check(rule: PLC, parts: list[Tensor]) -> Check:
    every = Recovery(*parts)
    inside = ((every.share > 0) & (every.share < 1)).double().mean().item()
    low, middle, high = every.share.quantile(torch.tensor([0.025, 0.5, 0.975], dtype=torch.float64)).tolist()
    slack, kept = every.slack.min().item(), (every.direction / every.gains).median().item()
    measured = (
        f"c in (0, 1) at {100 * inside:.1f} % of {len(every.gains)} points; c {middle:.3f} [{low:.3f}, {high:.3f}], from "
        f"{every.share.min():.3f} to {every.share.max():.3f}; ‖g_PLC‖/‖g_P‖ {kept:.3f}; least slack {slack:.1e}"
    )
    verdict = "holds" if inside == 1 and slack > -1e-9 else f"fails at {100 * (1 - inside):.1f} %"
    figures = {"gate": rule.gate, "temperature": rule.temperature, "inside": inside, "share": [low, middle, high],
               "extremes": [every.share.min().item(), every.share.max().item()], "points": len(every.gains),
               "ratio": kept, "slack": slack}  # fmt: skip
    return Check(CLAIM, f"{rule.gate}, τ {rule.temperature:g}", measured, verdict, figures)
