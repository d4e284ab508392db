"""Laws of rules that combine gradients; g_k are the gradients, a_k what the rule's ``combination`` counts them."""

from __future__ import annotations

import torch
from torch import Tensor

from lenity.rules import GradientRule
from lenity.testing.advantage_laws import FACTORS
from lenity.testing.common_laws import GRADIENT_LAWS
from lenity.testing.law import BrokenLaw, law, same
from lenity.testing.problems import GradientProblem

SOLVED = 1e-6  # tolerance for a solver inside a rule, relative to the length of its terms
AGAINST = 1e-8
ROUNDED = 1e-12  # tolerance for rounding, relative to the longest possible term
CANCELLED = (
    1e-4  # shorter directions, relative to their terms, are near a common stationary point, where none is defined
)


def allowed(rule: GradientRule, problem: GradientProblem, missed: float) -> float:
    """The tolerance of a direction: ``missed`` times the length of its terms a_k g_k, plus the rounding of a_k times the longest gradient.

    If all a_k of a rule are small, the largest possible a_k is that of an objective alone.
    """
    counts = problem.combination(rule).abs()
    alone = [GradientProblem(row, row.new_ones(1)).combination(rule).abs() for row in problem.values[:, None]]
    largest = torch.cat([counts, *alone]).max()
    return float(missed * (counts * problem.lengths).sum() + ROUNDED * largest * problem.lengths.max())


@law(GRADIENT_LAWS)
def order_of_objectives(rule: GradientRule, problem: GradientProblem) -> None:
    """The order of the objectives does not matter."""
    indices = range(len(problem.weights))
    for order in (list(reversed(indices)), [*indices[1:], *indices[:1]]):
        other = problem.permuted(order)
        missed = max(allowed(rule, each, SOLVED) for each in (problem, other))
        same(f"direction with the objectives in the order {order}", other.answer(rule), problem.answer(rule), missed)


@law(GRADIENT_LAWS)
def weighted_sum(rule: GradientRule, problem: GradientProblem) -> None:
    """The direction is sum_k a_k g_k: direction and combination agree."""
    counts = problem.combination(rule)
    if counts.shape != problem.weights.shape:
        raise BrokenLaw(
            f"combination has the shape {tuple(counts.shape)} where the law wants {tuple(problem.weights.shape)}."
        )
    columns = zip(*problem.values.tolist(), strict=True)
    sums = [sum(a * g for a, g in zip(counts.tolist(), column, strict=True)) for column in columns]
    same("direction", problem.answer(rule), problem.values.new_tensor(sums), allowed(rule, problem, SOLVED))


@law(GRADIENT_LAWS)
def keeps_scale(rule: GradientRule, problem: GradientProblem) -> None:
    """With c times the gradients, c > 0, the direction is the same, its length apart, unless the gradients cancel."""
    direction = problem.answer(rule)
    if direction.norm() <= allowed(rule, problem, CANCELLED):
        return
    for factor in FACTORS:
        other = GradientProblem(factor * problem.values, problem.weights).answer(rule)
        same(f"the unit direction at c = {factor}", _unit(other), _unit(direction), 10 * SOLVED)


@law(GRADIENT_LAWS)
def one_objective(rule: GradientRule, problem: GradientProblem) -> None:
    """With one objective the direction is its gradient's, its length apart; without a gradient there is none."""
    for row in problem.values[:, None]:
        alone = GradientProblem(row, row.new_ones(1))
        same(f"the unit direction of {row.tolist()} alone", _unit(alone.answer(rule)), _unit(row[0]), SOLVED)


@law(GRADIENT_LAWS, claim=True)
def non_conflict(rule: GradientRule, problem: GradientProblem) -> None:
    """The direction is against no objective: its inner product with each gradient is at least 0."""
    products = problem.values @ problem.answer(rule)
    against = products < -allowed(rule, problem, AGAINST) * problem.lengths
    if against.any():
        raise BrokenLaw(f"The inner products of the direction with the gradients are {products.tolist()}.")


def _unit(vector: Tensor) -> Tensor:
    length = vector.norm()
    return vector / length if length > 0 else vector
