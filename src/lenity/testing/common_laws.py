"""Laws of both kinds of rules, whether they combine advantages or gradients."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch

from lenity.rules import Rule
from lenity.testing.law import BrokenLaw, Law, law, rounding, same
from lenity.testing.problems import EVEN, Problem

ADVANTAGE_LAWS: dict[str, Law] = {}
"""Laws of ``AdvantageRule`` by name."""

GRADIENT_LAWS: dict[str, Law] = {}
"""Laws of ``GradientRule`` by name."""

both = (ADVANTAGE_LAWS, GRADIENT_LAWS)


@law(*both)
def finite(rule: Rule, problem: Problem) -> None:
    """What the rule gives is finite, of the right shape and of the precision that it was given, float32 as well as float64."""
    for dtype in (torch.float64, torch.float32):
        found = problem.to(dtype).answer(rule)
        if found.shape != problem.shape or found.dtype != dtype or not found.isfinite().all():
            raise BrokenLaw(
                f"Asked in {dtype}, it gives {found.tolist()} of the shape {tuple(found.shape)} in {found.dtype} where the law "
                f"wants finite numbers of the shape {tuple(problem.shape)}."
            )


@law(*both)
def inputs_unchanged(rule: Rule, problem: Problem) -> None:
    """The rule does not write into the tensors that it is given."""
    mine = problem.cloned()
    mine.ask(copy.deepcopy(rule))
    same(f"{problem.called} afterwards", mine.values, problem.values, 0)
    same("weights afterwards", mine.weights, problem.weights, 0)


@law(*both)
def repeats(rule: Rule, problem: Problem) -> None:
    """Asked the same again, the rule answers the same to the last bit: it draws nothing at random and hides no memory."""
    mine = copy.deepcopy(rule)
    answers = [problem.cloned().ask(mine) for _ in range(3)]
    for first, second in pairwise(answers):
        same("the answer asked again", second, first, 0)


@law(*both)
def memory_unchanged(rule: Rule, problem: Problem) -> None:
    """A step does not write into the memory that it is given: what it learns is in the memory that it returns."""
    memory = rule.initial_memory([str(k) for k in range(len(problem.weights))])
    before = {name: value.clone() for name, value in memory.items()}
    copy.deepcopy(rule).step(problem.values.clone(), problem.weights.clone(), memory)
    if memory.keys() != before.keys():
        raise BrokenLaw(f"The memory had {sorted(before)}, and has {sorted(memory)} after the step.")
    for name, value in before.items():
        same(f"memory '{name}' after the step", memory[name], value, 0)


@law(*both, claim=True)
def ignores_weights(rule: Rule, problem: Problem) -> None:
    """The preference weights play no part, so one training serves all of them."""
    even = torch.full_like(problem.weights, 1 / len(problem.weights))
    other = type(problem)(problem.values, even)
    expected = problem.answer(rule)
    same(f"the answer at {EVEN}", other.answer(rule), expected, rounding(problem))
