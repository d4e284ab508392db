"""Laws that every registered rule keeps, on random and on named hard inputs; a new rule is covered by registering it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.advantages.conflict import conflict
from lenity.rules import PLC, RULES, AdvantageRule, Entropic, Lenient, Linear
from oracles import slow

REGISTERED = [RULES[name]() for name in RULES]
FORGIVING = [Linear(), PLC()] + [
    PLC(gate=gate, leniency=leniency, temperature=temperature)
    for gate in ("sigmoid", "centered", "net")
    for leniency, temperature in ((1.0, 0.1), (0.5, 2.0))
]
VARIANTS = [*FORGIVING, Entropic(temperature=0.1)]
VARIANTS += [rule for rule in REGISTERED if isinstance(rule, AdvantageRule) and rule not in VARIANTS]
HARD = {
    "zeros": torch.zeros(4, 3, dtype=torch.float64),
    "all losing": -torch.ones(4, 3, dtype=torch.float64),
    "conflicting": torch.tensor([[1.0, -1.0, 0.0], [1.0, -1.0 + 1e-12, 0.0]], dtype=torch.float64),
    "one objective copied": torch.randn(16, 1, dtype=torch.float64).expand(16, 3),
    "tiny": torch.randn(16, 3, dtype=torch.float64) * 1e-15,
    "huge": torch.randn(16, 3, dtype=torch.float64) * 1e15,
    "unlike scales": torch.randn(16, 3, dtype=torch.float64) * torch.tensor([1e-15, 1.0, 1e15], dtype=torch.float64),
}


def halves_losses(rule):
    """The paper's gate, with leniency, counts half of a loss that no other objective makes up for."""
    return isinstance(rule, PLC) and rule.gate == "sigmoid" and rule.leniency > 0


def most(rule):
    """The greatest share of an advantage that a rule counts; only the entropic one raises gains."""
    return (math.exp(3) - 1) / 3 if isinstance(rule, Entropic) else 1


rules = pytest.mark.parametrize("rule", VARIANTS, ids=repr)
forgiving = pytest.mark.parametrize("rule", FORGIVING, ids=repr)
hard = pytest.mark.parametrize("advantages", HARD.values(), ids=HARD.keys())


@st.composite
def problems(draw, scale=1.0):
    """Advantages (B, K) and weights (K,) in the simplex, zeros among them."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    batch, heads = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    advantages = torch.randn(batch, heads, generator=generator, dtype=torch.float64) * scale
    weights = torch.rand(heads, generator=generator, dtype=torch.float64)
    weights[1:] *= torch.rand(heads - 1, generator=generator) > 0.2
    return advantages, weights / weights.sum()


def tolerance(advantages):
    return 1e-9 * max(1.0, advantages.abs().max().item())


@rules
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_objectives_does_not_matter(rule, problem, random):
    advantages, weights = problem
    order = list(range(len(weights)))
    random.shuffle(order)
    torch.testing.assert_close(
        rule.rectify(advantages[:, order], weights[order]), rule.rectify(advantages, weights), rtol=0, atol=1e-9
    )
    torch.testing.assert_close(
        rule.objective_scale(advantages[:, order], weights[order]),
        rule.objective_scale(advantages, weights)[:, order],
        rtol=0,
        atol=1e-9,
    )


@rules
@given(problems())
def test_mask_is_a_share(rule, problem):
    mask = rule.objective_scale(*problem)
    assert mask.shape == problem[0].shape
    assert ((mask >= 0) & (mask.double() <= most(rule) * (1 + 1e-6))).all()


@rules
@given(problems())
def test_rectified_is_the_masked_weighted_sum(rule, problem):
    advantages, weights = problem
    mask = rule.objective_scale(advantages, weights)
    wanted = slow.masked_sums(advantages.tolist(), weights.tolist(), mask.tolist())
    torch.testing.assert_close(rule.rectify(advantages, weights), advantages.new_tensor(wanted), rtol=0, atol=1e-9)


@rules
@given(problems())
def test_weights_for_each_row(rule, problem):
    advantages, weights = problem
    rows = weights.expand_as(advantages)
    torch.testing.assert_close(rule.rectify(advantages, rows), rule.rectify(advantages, weights))


@rules
@given(problems(), st.integers(0, 2**31))
def test_rows_with_their_own_weights_give_what_each_gives_alone(rule, problem, seed):
    """(B, T, K) advantages with weights (B, 1, K), as training has them; conflicts too."""
    advantages = problem[0].unsqueeze(1).repeat(1, 2, 1)
    advantages[:, 1] = -0.5 * advantages[:, 1].flip(0)
    weights = torch.rand(problem[0].shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights = weights * (weights > 0.3) + 1e-3
    weights = weights / weights.sum(1, keepdim=True)
    found = rule.rectify(advantages, weights.unsqueeze(1)), rule.objective_scale(advantages, weights.unsqueeze(1))
    disagree = conflict(advantages, weights.unsqueeze(1))
    for b, row in enumerate(weights):
        torch.testing.assert_close(found[0][b], rule.rectify(advantages[b], row), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(found[1][b], rule.objective_scale(advantages[b], row), rtol=1e-12, atol=1e-12)
        assert torch.equal(disagree[b], conflict(advantages[b], row))


@forgiving
@given(problems())
def test_gains_pass_untouched(rule, problem):
    advantages, weights = problem[0].abs(), problem[1]
    torch.testing.assert_close(rule.rectify(advantages, weights), (weights * advantages).sum(-1))


@rules
@given(problems())
def test_inputs_are_not_changed(rule, problem):
    before = [tensor.clone() for tensor in problem]
    rule.rectify(*problem)
    assert all(torch.equal(a, b) for a, b in zip(problem, before, strict=True))


@rules
@hard
def test_finite_on_hard_inputs(rule, advantages):
    for weights in ([1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]):
        for tensor in (advantages, advantages.float()):
            vector = tensor.new_tensor(weights)
            mask = rule.objective_scale(tensor, vector)
            assert mask.isfinite().all()
            assert ((mask >= 0) & (mask.double() <= most(rule) * (1 + 1e-6))).all()
            assert rule.rectify(tensor, vector).isfinite().all()


@pytest.mark.parametrize("gate", ["sigmoid", "centered", "net"])
@given(problems())
def test_no_leniency_is_linear(gate, problem):
    rule = PLC(gate=gate, leniency=0.0)
    assert torch.equal(rule.rectify(*problem), Linear().rectify(*problem))


@pytest.mark.parametrize(
    "rule", [rule for rule in VARIANTS if not halves_losses(rule) and not isinstance(rule, Entropic)], ids=repr
)
def test_one_objective_is_the_identity(rule):
    """Not for the paper's ``sigmoid`` gate, which halves a loss even where there is no other objective, nor for a view of risk."""
    advantages = torch.randn(32, 1, dtype=torch.float64)
    assert torch.equal(rule.rectify(advantages, advantages.new_ones(1)), advantages[:, 0])


def test_one_objective_with_the_sigmoid_gate_halves_losses():
    advantages = torch.tensor([[2.0], [-2.0]])
    assert PLC(gate="sigmoid").rectify(advantages, torch.ones(1)).tolist() == [2.0, -1.0]


@pytest.mark.parametrize("rule", [rule for rule in VARIANTS if isinstance(rule, Lenient)], ids=repr)
@given(problems(), st.floats(0.01, 100))
def test_scale_goes_with_the_temperature(rule, problem, scale):
    advantages, weights = problem
    small, large = (rule.model_copy(update={"temperature": 0.5 * factor}) for factor in (1, scale))
    ours = large.rectify(scale * advantages, weights)
    torch.testing.assert_close(ours, scale * small.rectify(advantages, weights), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rule", [rule for rule in VARIANTS if not isinstance(rule, Lenient)], ids=repr)
@given(problems(), st.floats(0.01, 100))
def test_rules_without_a_temperature_keep_the_scale(rule, problem, scale):
    advantages, weights = problem
    torch.testing.assert_close(rule.rectify(scale * advantages, weights), scale * rule.rectify(advantages, weights))


@pytest.mark.parametrize("temperature", [0.01, 0.5, 10.0])
@pytest.mark.parametrize("rule", [PLC(gate="net"), Entropic()], ids=repr)
@given(problems())
def test_some_rules_keep_the_sign_of_the_linear_advantage(rule, temperature, problem):
    linear = Linear().rectify(*problem)
    lenient = rule.model_copy(update={"temperature": temperature}).rectify(*problem)
    clear = linear.abs() > tolerance(problem[0])
    assert (lenient.sign() == linear.sign())[clear].all()
    assert (lenient >= linear - tolerance(problem[0])).all()


@forgiving
@given(problems())
def test_leniency_only_forgives(rule, problem):
    """No rule here makes a loss count for more than linear scalarisation does."""
    assert (rule.rectify(*problem) >= Linear().rectify(*problem) - 1e-9).all()


@rules
@given(problems())
def test_a_step_is_a_function(rule, problem):
    """Of advantages, weights and memory: it changes none of them, nor the rule, and gives the same again."""
    advantages, weights = problem
    memory = rule.initial_memory([str(k) for k in range(len(weights))])
    before, kept = rule.model_copy(deep=True), {name: value.clone() for name, value in memory.items()}
    (first, one), (second, two) = (rule.step(advantages, weights, memory) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first, rule.objective_scale(advantages, weights))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    assert rule == before and memory.keys() == kept.keys()
    assert all(torch.equal(memory[name], kept[name]) for name in kept)
