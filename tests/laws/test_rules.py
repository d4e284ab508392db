"""Laws of :mod:`lenity.testing` that every registered rule over advantages keeps, and what single rules claim beside them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.rules import PLC, RULES, AdvantageRule, Entropic, Lenient, Linear
from lenity.testing import ADVANTAGE_LAWS, advantage_problems, laws_of
from oracles import slow

VARIANTS = [Linear(), PLC(), Entropic(temperature=0.1)] + [
    PLC(gate=gate, leniency=leniency, temperature=temperature)
    for gate in ("sigmoid", "centered", "net")
    for leniency, temperature in ((1.0, 0.1), (0.5, 2.0))
]
VARIANTS += [rule for name in RULES if isinstance(rule := RULES[name](), AdvantageRule) and rule not in VARIANTS]


def stated(rule):
    """What is said of a rule beside the laws of every rule."""
    said = {"temperature": "temperature"} if isinstance(rule, Lenient) else {}
    if isinstance(rule, Linear):
        said["claims"] = {"keeps_gains", "only_forgives", "keeps_sign"}
    if isinstance(rule, PLC):
        said["claims"] = {"keeps_gains", "only_forgives"} | ({"keeps_sign"} if rule.gate == "net" else set())
    if isinstance(rule, PLC) and rule.gate == "sigmoid":
        said["exceptions"] = {"one_objective": "the paper's gate halves a loss even where there is no other objective"}
    if isinstance(rule, Entropic):  # the only one that raises gains
        said["claims"], said["largest_scale"] = {"only_forgives", "keeps_sign"}, (math.exp(3) - 1) / 3
        said["exceptions"] = {"one_objective": "a view of risk bends the one objective too"}
    return said


@pytest.mark.parametrize("case", [case for rule in VARIANTS for case in laws_of(rule, **stated(rule))])
def test_law(case):
    case.check()


@pytest.mark.parametrize("temperature", [0.01, 0.5, 10.0])
@pytest.mark.parametrize("rule", [PLC(gate="net"), Entropic()], ids=repr)
@given(advantage_problems())
def test_some_rules_keep_the_sign_of_the_linear_advantage(rule, temperature, problem):
    """Not only do they not turn it around, as the law says: they do not lose it either."""
    rule = rule.model_copy(update={"temperature": temperature})
    ADVANTAGE_LAWS["keeps_sign"](rule, problem)
    ADVANTAGE_LAWS["only_forgives"](rule, problem)
    linear, rounding = problem.linear, 1e-9 * max(1.0, problem.largest)
    clear = linear.abs() > rounding
    assert (problem.answer(rule).sign() == linear.sign())[clear].all()


@pytest.mark.parametrize("rule", VARIANTS, ids=repr)
@given(advantage_problems())
def test_rectified_is_the_slow_sum(rule, problem):
    scale = rule.objective_scale(problem.values, problem.weights)
    wanted = slow.masked_sums(problem.values.tolist(), problem.weights.tolist(), scale.tolist())
    found = rule.rectify(problem.values, problem.weights)
    torch.testing.assert_close(found, found.new_tensor(wanted), rtol=0, atol=1e-9)


@pytest.mark.parametrize("gate", ["sigmoid", "centered", "net"])
@given(advantage_problems())
def test_no_leniency_is_linear(gate, problem):
    rule = PLC(gate=gate, leniency=0.0)
    assert torch.equal(problem.answer(rule), problem.answer(Linear()))


def test_one_objective_with_the_sigmoid_gate_halves_losses():
    advantages = torch.tensor([[2.0], [-2.0]])
    assert PLC(gate="sigmoid").rectify(advantages, torch.ones(1)).tolist() == [2.0, -1.0]


@pytest.mark.parametrize("rule", VARIANTS, ids=repr)
@given(advantage_problems(), st.floats(0.01, 100))
def test_any_scale_is_kept(rule, problem, scale):
    """The laws of :mod:`lenity.testing` scale by powers of 2."""
    large = rule
    if isinstance(rule, Lenient):
        rule, large = (rule.model_copy(update={"temperature": 0.5 * factor}) for factor in (1, scale))
    ours, expected = large.rectify(scale * problem.values, problem.weights), scale * problem.answer(rule)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9 * scale)
