"""Lemma 2, bias against surplus: does PLC become linear scalarisation where the others have nothing to give?

Read by its proof, objective by objective: the bias b_k = ||E[w_k (M_k - 1) A_k grad log pi]|| is at most C E|S_k|. Measured
with the advantages of the others scaled by s -> 0, so that S_k -> 0 while A_k stays: the slope of log b_k against log E|S_k|.
Read by its letter, ||E[g_PLC - g]|| <= C sum_k E|S_k|, it says little for K > 1: the surpluses determine all w_k A_k
(sum_k S_k = (K - 1) sum_k w_k A_k), so all advantages must vanish with them, and any mask in [0, 1] keeps the bound. So all
advantages are scaled too, and the bias is taken relative to the linear gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lenity.aggregation import PLC, AdvantageRule
from lenity.lab.families import peaks
from lenity.lab.landscape import Landscapes
from lenity.lab.theory.check import Check
from lenity.lab.world import Point, Weights

EACH = "Lemma 2, each objective: bias of k ≤ C·E|S_k| as S_k → 0, A_k as it is"
WHOLE = "Lemma 2, as a whole: PLC becomes linear as all S → 0 (bias / ‖g‖ → 0)"
SCALES = tuple(2.0**-n for n in range(3, 13))
NODES = 24


def objective_bias(rule: AdvantageRule, point: Point, weights: Weights, scale: float) -> tuple[Tensor, Tensor]:
    """Bias of objective 0 and E|S_0|, (W,) each, the others' advantages scaled by ``scale``."""
    advantages = point.advantages.clone()
    advantages[..., 1:] *= scale
    weighted = weights.unsqueeze(1) * advantages
    waived = (weighted * (rule.mask(advantages, weights.unsqueeze(1)) - 1))[..., :1]
    surplus = (point.probabilities * weighted[..., 1:].sum(-1).abs()).sum(1)
    return point.policy_gradient(waived).squeeze(1).norm(dim=1), surplus


def whole_bias(rule: AdvantageRule, point: Point, weights: Weights, scale: float) -> tuple[Tensor, Tensor]:
    """||E[g_PLC - g]|| and ||g||, (W,) each, all advantages scaled by ``scale``."""
    advantages, shares = point.advantages * scale, weights.unsqueeze(1)
    linear = (shares * advantages).sum(-1)
    both = torch.stack([rule.rectify(advantages, shares) - linear, linear], -1)
    bias, gradient = point.policy_gradient(both).norm(dim=2).T
    return bias, gradient


def checks(count: int = 200, seed: int = 0) -> list[Check]:
    """Both readings for each gate, K = 3, at the starts of random landscapes."""
    problem = peaks(count, 3, seed)
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    point = Landscapes(worlds.centres, worlds.widths, worlds.heights, worlds.sigma, NODES).at(problem.start)
    found = [_each(PLC(gate=gate), point, problem.weights) for gate in ("sigmoid", "centered", "net")]
    return found + [_whole(PLC(gate=gate), point, problem.weights) for gate in ("sigmoid", "centered", "net")]


def _each(rule: PLC, point: Point, weights: Weights) -> Check:
    series = [tuple(x.mean().item() for x in objective_bias(rule, point, weights, scale)) for scale in SCALES]
    ratios = [bias / surplus for bias, surplus in series]
    held = ratios[-1] <= 2 * ratios[0]
    if series[-1][0] == 0:
        slope, text = math.inf, "bias 0 at the smallest surpluses"
    else:
        slope = _slope([surplus for _, surplus in series], [bias for bias, _ in series])
        text = f"bias ∝ E|S|^{slope:.2f}"
    measured = f"{text}; bias/E|S| from {ratios[0]:.3g} to {ratios[-1]:.3g} as E|S| goes from {series[0][1]:.1e} to {series[-1][1]:.1e}"
    figures = {"gate": rule.gate, "temperature": rule.temperature, "scales": SCALES, "bias_surplus": series, "slope": slope if math.isfinite(slope) else None}
    return Check(EACH, f"{rule.gate}, τ {rule.temperature:g}, K 3", measured, "holds" if held else "fails", figures)


def _whole(rule: PLC, point: Point, weights: Weights) -> Check:
    series = [tuple(x.mean().item() for x in whole_bias(rule, point, weights, scale)) for scale in SCALES]
    relative = [bias / gradient for bias, gradient in series]
    slope = _slope(list(SCALES), [bias for bias, _ in series])
    measured = f"bias ∝ s^{slope:.2f}; bias/‖g‖ from {relative[0]:.2e} to {relative[-1]:.2e} as s goes from {SCALES[0]:.1e} to {SCALES[-1]:.1e}"
    figures = {"gate": rule.gate, "temperature": rule.temperature, "scales": SCALES, "bias_gradient": series, "slope": slope}
    return Check(WHOLE, f"{rule.gate}, τ {rule.temperature:g}, K 3", measured, "holds" if slope > 1.5 else "fails", figures)


def _slope(x: list[float], y: list[float]) -> float:
    """Least squares of log y on log x over the smaller half."""
    half = len(x) // 2
    logs = torch.tensor([x[half:], y[half:]], dtype=torch.float64).log()
    centred = logs - logs.mean(1, keepdim=True)
    return float((centred[0] * centred[1]).sum() / centred[0].square().sum())
