"""Laws of rules that combine advantages; A are the advantages, w the weights, M the rule's ``objective_scale``."""

from __future__ import annotations

import torch

from lenity.rules import AdvantageRule
from lenity.testing.common_laws import ADVANTAGE_LAWS
from lenity.testing.law import BrokenLaw, at_least, law, rounding, same
from lenity.testing.problems import AdvantageProblem

FACTORS = (2.0**-6, 4.0, 2.0**10)  # powers of 2, so that arithmetic that keeps the scale does so to the last digit
IN_FLOAT32 = 1e-6
LAST_DIGITS = 1e-15


@law(ADVANTAGE_LAWS)
def order_of_objectives(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """The order of the objectives does not matter."""
    indices = range(len(problem.weights))
    for order in (list(reversed(indices)), [*indices[1:], *indices[:1]]):
        other = problem.permuted(order)
        same(
            f"rectify with the objectives in the order {order}",
            other.answer(rule),
            problem.answer(rule),
            rounding(problem),
        )
        scale = problem.objective_scale(rule)[..., order]
        same(f"objective_scale in the order {order}", other.objective_scale(rule), scale, IN_FLOAT32)


@law(ADVANTAGE_LAWS)
def bounded(rule: AdvantageRule, problem: AdvantageProblem, *, largest_scale: float = 1.0) -> None:
    """objective_scale has the shape of the advantages and is between 0 and ``largest_scale`` (1, unless the rule says more)."""
    for dtype in (torch.float64, torch.float32):
        scale = problem.to(dtype).objective_scale(rule)
        if scale.shape != problem.values.shape:
            raise BrokenLaw(f"objective_scale has the shape {tuple(scale.shape)}, not {tuple(problem.values.shape)}.")
        if (scale < 0).any() or (scale.double() > largest_scale * (1 + IN_FLOAT32)).any():
            raise BrokenLaw(f"objective_scale is {scale.tolist()} where the law wants it in [0, {largest_scale}].")


@law(ADVANTAGE_LAWS)
def weighted_sum(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """The rectified advantage is sum_k w_k M_k A_k: rectify and objective_scale agree."""
    scale = problem.objective_scale(rule).tolist()
    weights = problem.weights.tolist()
    sums = [
        sum(w * m * a for w, m, a in zip(weights, scales, row, strict=True))
        for scales, row in zip(scale, problem.values.tolist(), strict=True)
    ]
    same("rectify", problem.answer(rule), problem.values.new_tensor(sums), rounding(problem))


@law(ADVANTAGE_LAWS)
def each_row_alone(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """A row of advantages, with the common weights or with weights of its own, gives what it gives alone, whatever the shape of the batch."""
    count = len(problem.values)
    own = torch.stack([problem.weights.roll(i) for i in range(count)])
    for what, weights in (("common weights", problem.weights.expand_as(own)), ("weights (B, K)", own)):
        rows = [AdvantageProblem(*pair).answer(rule) for pair in zip(problem.values, weights, strict=True)]
        given = problem.weights if weights is not own else own
        same(
            f"rectify with {what}",
            AdvantageProblem(problem.values, given).answer(rule),
            torch.stack(rows),
            rounding(problem),
        )
        batch = AdvantageProblem(problem.values[None], weights[None])
        same(f"rectify of (1, B, K) with {what}", batch.answer(rule), torch.stack(rows)[None], rounding(problem))


@law(ADVANTAGE_LAWS)
def keeps_scale(rule: AdvantageRule, problem: AdvantageProblem, *, temperature: str | None = None) -> None:
    """With c times the advantages, c > 0, and c times the field ``temperature`` if the rule has one, the rectified advantage is c times as large."""
    expected = problem.answer(rule)
    for factor in FACTORS:
        with_factor = {temperature: factor * getattr(rule, temperature)} if temperature else {}
        large = AdvantageProblem(factor * problem.values, problem.weights)
        found = large.answer(rule.model_copy(update=with_factor))
        same(f"rectify at c = {factor}", found, factor * expected, rounding(large))


@law(ADVANTAGE_LAWS)
def one_objective(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """With one objective the rule is the identity."""
    for column in problem.values.T.unsqueeze(-1):
        alone = AdvantageProblem(column, column.new_ones(1))
        same(f"rectify of {column.tolist()} alone", alone.answer(rule), column[:, 0], LAST_DIGITS * alone.largest)


@law(ADVANTAGE_LAWS)
def weight_zero(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """An objective of weight 0 plays no part."""
    for factor in (-3.0, 0.0, 5.0):
        changed = problem.values.where(problem.weights > 0, factor * (problem.values + problem.largest))
        other = AdvantageProblem(changed, problem.weights)
        what = f"rectify with {changed.tolist()} instead"
        same(what, other.answer(rule), problem.answer(rule), rounding(problem))


@law(ADVANTAGE_LAWS, claim=True)
def keeps_gains(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """Where no objective loses, the rule is the weighted sum."""
    gains = AdvantageProblem(problem.values.abs(), problem.weights)
    same(f"rectify of {gains.values.tolist()}", gains.answer(rule), gains.linear, rounding(problem))


@law(ADVANTAGE_LAWS, claim=True)
def only_forgives(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """The rectified advantage is never less than the weighted sum."""
    at_least("rectify", problem.answer(rule), problem.linear, rounding(problem))


@law(ADVANTAGE_LAWS, claim=True)
def keeps_sign(rule: AdvantageRule, problem: AdvantageProblem) -> None:
    """The rectified advantage never has the sign opposite to the weighted sum's, rounding apart."""
    linear, found = problem.linear, problem.answer(rule)
    clear = linear.abs() > rounding(problem)
    if (found * linear.sign() < 0)[clear].any():
        raise BrokenLaw(f"rectify is {found.tolist()} where the weighted sum is {linear.tolist()}.")
