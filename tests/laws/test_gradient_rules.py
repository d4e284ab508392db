"""Laws of the rules that combine gradients, and certificates of optimality; a new rule is covered by registering it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from lenity.rules import GAPO, MGDA, PGAPO, RULES, GradientRule
from lenity.rules.gradient import min_norm
from lenity.rules.torchjd import TorchJD

VARIANTS = [rule for name in RULES if isinstance(rule := RULES[name](), GradientRule)] + [GAPO(power=2)]
rules = pytest.mark.parametrize("rule", VARIANTS, ids=repr)
# of TorchJD, those that papers compare with; some depend on the order of objectives or draw it at random
NAMED = ("PCGrad", "CAGrad", "NashMTL", "IMTLG", "AlignedMTL", "DualProj", "FairGrad")
SETTINGS = {"CAGrad": {"c": 0.5}, "FairGrad": {"alpha": 1.0}}
every = pytest.mark.parametrize(
    "rule", VARIANTS + [TorchJD(aggregator=name, arguments=SETTINGS.get(name, {})) for name in NAMED], ids=repr
)
BASE = torch.randn(3, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
HARD = {
    "zeros": torch.zeros(3, 7, dtype=torch.float64),
    "one row zero": BASE * torch.tensor([[1.0], [0.0], [1.0]], dtype=torch.float64),
    "rank 1": BASE[:1] * torch.tensor([[1.0], [2.0], [-1.0]], dtype=torch.float64),
    "opposed": torch.stack([BASE[0], -BASE[0], BASE[1]]),
    "nearly opposed": torch.stack([BASE[0], -BASE[0] + 1e-9 * BASE[1], BASE[1]]),
    "more objectives than parameters": BASE.T.contiguous(),
    "tiny": BASE * 1e-15,
    "huge": BASE * 1e15,
    "unlike scales": BASE * torch.tensor([[1e-15], [1.0], [1e15]], dtype=torch.float64),
}
hard = pytest.mark.parametrize("jacobian", HARD.values(), ids=HARD.keys())


def even(jacobian):
    return torch.full((len(jacobian),), 1 / len(jacobian), dtype=jacobian.dtype)


@st.composite
def problems(draw):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    jacobian = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) + 0.05
    return jacobian, weights / weights.sum()


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


@given(problems())
def test_min_norm_keeps_its_optimality_conditions(problem):
    slack, least, total = residual(problem[0], min_norm(problem[0]))
    assert slack <= 1e-8 and least >= 0 and total == pytest.approx(1, abs=1e-12)


@hard
def test_min_norm_keeps_its_optimality_conditions_on_hard_inputs(jacobian):
    slack, least, total = residual(jacobian, min_norm(jacobian))
    assert slack <= 1e-8 and least >= 0 and total == pytest.approx(1, abs=1e-12)


@given(problems())
def test_mgda_serves_every_objective_at_least_by_its_own_squared_length(problem):
    direction = MGDA().direction(*problem)
    assert (problem[0] @ direction >= direction.square().sum() - 1e-8).all()


@pytest.mark.parametrize("rule", [MGDA(), GAPO(), GAPO(power=2)], ids=repr)
@given(problems())
def test_the_common_direction_is_against_no_objective(rule, problem):
    jacobian, weights = problem
    direction = rule.direction(jacobian, weights)
    assert (jacobian @ direction >= -1e-8 * jacobian.norm(dim=1)).all()


@pytest.mark.parametrize("aggregator", ["UPGrad", "DualProj"])
@given(problems())
def test_torchjds_projections_are_against_no_objective(aggregator, problem):
    """Where gradients span all directions the only such step is 0, and the library's regularised solver misses it."""
    jacobian, weights = problem
    assume(2 * len(jacobian) <= jacobian.shape[1])
    cosines = (jacobian @ TorchJD(aggregator=aggregator).direction(jacobian, weights)) / jacobian.norm(dim=1)
    assert (cosines >= -1e-3).all()


@rules
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_objectives_does_not_matter(rule, problem, random):
    jacobian, weights = problem
    order = list(range(len(weights)))
    random.shuffle(order)
    torch.testing.assert_close(
        rule.direction(jacobian[order], weights[order]), rule.direction(jacobian, weights), rtol=0, atol=1e-6
    )


@rules
@given(problems(), st.floats(1e-3, 1e3))
def test_scaling_all_gradients_keeps_the_direction(rule, problem, scale):
    jacobian, weights = problem
    first, second = rule.direction(jacobian, weights), rule.direction(scale * jacobian, weights)
    size = first.norm()
    if size > 1e-4:  # near a common stationary point the direction is not defined
        torch.testing.assert_close(second / second.norm(), first / size, rtol=0, atol=1e-5)


@every
@hard
def test_finite_on_hard_inputs(rule, jacobian):
    for tensor in (jacobian, jacobian.float()):
        direction = rule.direction(tensor, even(tensor))
        assert direction.shape == tensor.shape[1:] and direction.isfinite().all()


@every
def test_one_objective_keeps_its_direction(rule):
    jacobian = BASE[:1]
    direction = rule.direction(jacobian, jacobian.new_ones(1))
    torch.testing.assert_close(direction / direction.norm(), jacobian[0] / jacobian[0].norm())


@every
def test_inputs_are_not_changed(rule):
    jacobian, weights = BASE.clone(), even(BASE)
    rule.direction(jacobian, weights)
    assert torch.equal(jacobian, BASE)


def test_gapo_with_two_objectives_and_p_1_is_the_midpoint():
    combination = GAPO().combination(BASE[:2], torch.tensor([0.9, 0.1], dtype=torch.float64))
    torch.testing.assert_close(combination * BASE[:2].norm(dim=1), torch.tensor([0.5, 0.5], dtype=torch.float64))


@every
def test_a_step_is_a_function(rule):
    """Of gradients, weights, memory and the random state: it changes neither rule nor memory, and gives the same again."""
    weights, memory = even(BASE), rule.initial_memory("abc")
    for jacobian in (BASE, BASE.flip(0), BASE.roll(1, 1)):
        before, kept = rule.model_copy(deep=True), {name: value.clone() for name, value in memory.items()}
        found = []
        for _ in range(2):
            torch.manual_seed(0)
            found.append(rule.step(jacobian, weights, memory))
        (first, one), (second, two) = found
        assert torch.equal(first, second) and one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
        assert rule == before and memory.keys() == kept.keys()
        assert all(torch.equal(memory[name], kept[name]) for name in kept)
        memory = one
