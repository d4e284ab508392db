"""Lemma 2, bias against surplus: does PLC become linear scalarisation where the others have nothing to give?

Three readings, for the letter says little. The surpluses determine all w_k A_k (sum_k S_k = (K - 1) sum_k w_k A_k), so for
K > 1 all advantages vanish with them, and any mask in [0, 1] keeps ||E[g_PLC - g]|| <= C sum_k E|S_k|; only K = 1 tells gates
apart. The proof goes objective by objective: the bias of objective k, ||E[w_k (M_k - 1) A_k grad log pi]||, is at most
C E|S_k|; measured with the others' advantages scaled by s -> 0 while A_k stays. And as a whole: all advantages are scaled,
and the bias is taken relative to the linear gradient g.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from lenity.lab.families import peaks
from lenity.lab.landscape import Landscapes
from lenity.lab.theory.check import GATES, Check
from lenity.lab.world import Point, Weights
from lenity.rules import PLC, AdvantageRule

LETTER = "Lemma 2, its letter: ‖E[g_PLC − g]‖ ≤ C·Σ E|S_k|"
EACH = "Lemma 2, each objective: the bias of k ≤ C·E|S_k| as S_k → 0 while A_k stays"
WHOLE = "Lemma 2, as a whole: PLC becomes linear, ‖E[g_PLC − g]‖ / ‖g‖ → 0, as all S → 0"
SCALES = tuple(2.0**-n for n in range(3, 13))
NODES = 24
ROUNDING = 1e-12

Pair = tuple[Float[Tensor, " W"], Float[Tensor, " W"]]


def objective_bias(rule: AdvantageRule, point: Point, weights: Weights, scale: float) -> Pair:
    """Bias of objective 0 and E|S_0|, the others' advantages scaled by ``scale``."""
    advantages = point.advantages.clone()
    advantages[..., 1:] *= scale
    weighted = weights.unsqueeze(1) * advantages
    waived = (weighted * (rule.objective_scale(advantages, weights.unsqueeze(1)) - 1))[..., :1]
    surplus = (point.probabilities * weighted[..., 1:].sum(-1).abs()).sum(1)
    return point.policy_gradient(waived).squeeze(1).norm(dim=1), surplus


def whole_bias(rule: AdvantageRule, point: Point, weights: Weights, scale: float = 1.0) -> Pair:
    """||E[g_PLC - g]|| and ||g||, all advantages scaled by ``scale``."""
    advantages, shares = point.advantages * scale, weights.unsqueeze(1)
    linear = (shares * advantages).sum(-1)
    parts = torch.stack([rule.rectify(advantages, shares) - linear, linear], -1)
    bias, gradient = point.policy_gradient(parts).norm(dim=2).unbind(1)
    return bias, gradient


def total_surplus(point: Point, weights: Weights) -> Float[Tensor, " W"]:
    """sum_k E|S_k|."""
    weighted = weights.unsqueeze(1) * point.advantages
    surplus = weighted.sum(-1, keepdim=True) - weighted
    return (point.probabilities * surplus.abs().sum(-1)).sum(1)


def checks(count: int = 200, seed: int = 0) -> Iterator[Check]:
    """The three readings for each gate at the starts of random landscapes, K = 1 and 3."""
    one, three = (_starts(objectives, count, seed) for objectives in (1, 3))
    for gate in GATES:
        rule = PLC(gate=gate, temperature=0.5)
        yield from (_letter(rule, one, three), _each(rule, *three), _whole(rule, *three))


def _starts(objectives: int, count: int, seed: int) -> tuple[Point, Weights]:
    problem = peaks(count, objectives, seed)
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    return worlds.finer(NODES).at(problem.start), problem.weights


def _letter(rule: PLC, one: tuple[Point, Weights], three: tuple[Point, Weights]) -> Check:
    bias, gradient = whole_bias(rule, *one)
    alone = (bias / gradient).median().item()
    ratio = (whole_bias(rule, *three)[0] / total_surplus(*three)).max().item()
    measured = f"K 1: bias {alone:.3f} ‖g‖ (median) though S = 0; K 3: bias / Σ E|S| at most {ratio:.2f}"
    verdict = "holds" if alone < ROUNDING else "fails for K 1, holds for K 3"
    figures = {"gate": rule.gate, "alone": alone, "largest_ratio": ratio}
    return Check(LETTER, _condition(rule, "K 1 and 3"), measured, verdict, figures)


def _each(rule: PLC, point: Point, weights: Weights) -> Check:
    series = [[x.mean().item() for x in objective_bias(rule, point, weights, scale)] for scale in SCALES]
    first, last = (bias / surplus for bias, surplus in (series[0], series[-1]))
    slope = _slope([surplus for _, surplus in series], [bias for bias, _ in series])
    measured = (
        f"bias ∝ E|S|^{_shown(slope)}; bias / E|S| {first:.2g} → {last:.2g} while E|S| {series[0][1]:.0e} → "
        f"{series[-1][1]:.0e}"
    )
    verdict = "holds" if last <= 2 * first else "fails"
    figures = {"gate": rule.gate, "surplus_bias": [[s, b] for b, s in series], "slope": slope}
    return Check(EACH, _condition(rule, "K 3"), measured, verdict, figures)


def _whole(rule: PLC, point: Point, weights: Weights) -> Check:
    series = [[x.mean().item() for x in whole_bias(rule, point, weights, scale)] for scale in SCALES]
    relative = [bias / gradient for bias, gradient in series]
    slope = _slope(list(SCALES), relative)
    measured = (
        f"bias / ‖g‖ ∝ s^{_shown(slope)}; {relative[0]:.2g} → {relative[-1]:.2g} while all advantages are scaled by s, "
        f"{SCALES[0]:.2g} → {SCALES[-1]:.2g}"
    )
    figures = {"gate": rule.gate, "scale_bias": list(zip(SCALES, relative, strict=True)), "slope": slope}
    return Check(WHOLE, _condition(rule, "K 3"), measured, "holds" if slope > 0.5 else "fails", figures)


def _condition(rule: PLC, sizes: str) -> str:
    return f"{rule.gate}, τ {rule.temperature:g}, {sizes}"


def _slope(x: list[float], y: list[float]) -> float:
    """Least squares of log y on log x over the smaller half."""
    half = len(x) // 2
    logs = torch.tensor([x[half:], y[half:]], dtype=torch.float64).log()
    centred = logs - logs.mean(1, keepdim=True)
    return float((centred[0] * centred[1]).sum() / centred[0].square().sum())


def _shown(slope: float) -> str:
    return f"{0.0 if abs(slope) < 0.005 else slope:.2f}"
