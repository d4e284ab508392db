"""Laws of :mod:`lenity.testing` that every registered rule over gradients keeps, and certificates of optimality."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from lenity.rules import GAPO, MGDA, PGAPO, RULES, GradientRule
from lenity.rules.gradient import min_norm
from lenity.rules.torchjd import TorchJD
from lenity.testing import GRADIENT_LAWS, HARD_JACOBIANS, gradient_problems, hard_problems, laws_of

VARIANTS = [rule for name in RULES if isinstance(rule := RULES[name](), GradientRule)] + [GAPO(power=2)]
# of TorchJD, those that papers compare with; some depend on the order of objectives or draw it at random
NAMED = ("PCGrad", "CAGrad", "NashMTL", "IMTLG", "AlignedMTL", "DualProj", "FairGrad")
SETTINGS = {"CAGrad": {"c": 0.5}, "FairGrad": {"alpha": 1.0}}
AGGREGATORS = [TorchJD(aggregator=name, arguments=SETTINGS.get(name, {})) for name in NAMED]
BASE = HARD_JACOBIANS["ordinary"]
hard = pytest.mark.parametrize("jacobian", HARD_JACOBIANS.values(), ids=HARD_JACOBIANS.keys())


def claims(rule):
    return {"non_conflict"} if isinstance(rule, (MGDA, GAPO)) else ()


@pytest.mark.parametrize("case", [case for rule in VARIANTS for case in laws_of(rule, claims=claims(rule))])
def test_law(case):
    case.check()


@pytest.mark.parametrize("law", ["finite", "one_objective", "inputs_unchanged"])
@pytest.mark.parametrize("rule", AGGREGATORS, ids=lambda rule: rule.aggregator)
def test_laws_of_single_aggregators_on_hard_inputs(rule, law):
    for name, problem in hard_problems(rule):
        GRADIENT_LAWS[law](rule, problem, named=name)


def test_golden_cases(golden):
    for case in golden["min_norm"]:
        jacobian, weights = (torch.tensor(case[key], dtype=torch.float64) for key in ("jacobian", "weights"))
        torch.testing.assert_close(
            MGDA().combination(jacobian, weights), jacobian.new_tensor(case["mgda"]), rtol=0, atol=1e-6
        )
        norms = jacobian.norm(dim=1)
        for power in (1, 2):
            found = GAPO(power=power).combination(jacobian, weights) * norms**power
            torch.testing.assert_close(found, jacobian.new_tensor(case[f"gapo_p{power}"]), rtol=0, atol=1e-6)
        direction = PGAPO().direction(jacobian, weights)
        torch.testing.assert_close(direction, jacobian.new_tensor(case["p_gapo_direction"]), rtol=0, atol=1e-9)


def residual(jacobian, found):
    """How far the simplex problem's optimality conditions are from holding, relative to the largest squared length."""
    scale = jacobian.square().sum(1).max().clamp(min=1e-300)
    gradient = jacobian @ (found @ jacobian) / scale
    return float((found * (gradient - gradient.min())).max()), float(found.min()), float(found.sum())


@given(gradient_problems())
def test_min_norm_keeps_its_optimality_conditions(problem):
    slack, least, total = residual(problem.values, min_norm(problem.values))
    assert slack <= 1e-8 and least >= 0 and total == pytest.approx(1, abs=1e-12)


@hard
def test_min_norm_keeps_its_optimality_conditions_on_hard_inputs(jacobian):
    slack, least, total = residual(jacobian, min_norm(jacobian))
    assert slack <= 1e-8 and least >= 0 and total == pytest.approx(1, abs=1e-12)


@given(gradient_problems())
def test_mgda_serves_every_objective_at_least_by_its_own_squared_length(problem):
    direction = problem.answer(MGDA())
    assert (problem.values @ direction >= direction.square().sum() - 1e-8 * max(1, problem.largest**2)).all()


@pytest.mark.parametrize("aggregator", ["UPGrad", "DualProj"])
@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 12))
def test_torchjds_projections_are_against_no_objective(aggregator, seed, rows, columns):
    """But for the library's regularisation, which leaves 1e-3; where gradients span all directions, the only such step is 0."""
    assume(2 * rows <= columns)
    generator = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) + 0.05
    direction = TorchJD(aggregator=aggregator).direction(jacobian, weights / weights.sum())
    lengths = jacobian.norm(dim=1)
    assert ((jacobian @ direction) / lengths / lengths.max() >= -3e-3).all()


@pytest.mark.parametrize("rule", VARIANTS, ids=repr)
@given(gradient_problems(), st.floats(1e-3, 1e3))
def test_any_scale_keeps_the_direction(rule, problem, scale):
    """The laws of :mod:`lenity.testing` scale by powers of 2."""
    first, second = (
        rule.direction(problem.values, problem.weights),
        rule.direction(scale * problem.values, problem.weights),
    )
    size = first.norm()
    if size > 1e-4:  # near a common stationary point the direction is not defined
        torch.testing.assert_close(second / second.norm(), first / size, rtol=0, atol=1e-5)


def test_gapo_with_two_objectives_and_p_1_is_the_midpoint():
    combination = GAPO().combination(BASE[:2], torch.tensor([0.9, 0.1], dtype=torch.float64))
    torch.testing.assert_close(combination * BASE[:2].norm(dim=1), torch.tensor([0.5, 0.5], dtype=torch.float64))
