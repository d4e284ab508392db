"""A response that an objective has not scored: for that objective it is as if it were not in the batch."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from lenity.advantages.compute import compute_advantages
from lenity.advantages.normalise import normalise
from lenity.config.objectives import Objectives
from lenity.config.sections import PPO, RewardNoise
from lenity.estimators import Critic, Group, LeaveOneOut
from lenity.rewards.noise import noisy
from lenity.rollout.batch import Scored
from lenity.rules import PLC, Linear
from lenity.training import metrics

LENGTHS = (3, 1, 5, 4, 2, 5)


def mask_of(scored):
    """(B, T, K)."""
    return (torch.arange(5) < torch.tensor(LENGTHS)[:, None]).unsqueeze(-1) & scored.unsqueeze(1)


@given(st.integers(0, 10**6), st.integers(0, 5), st.sampled_from(["per_objective", "scale_only", "none"]))
def test_the_others_are_normalised_as_in_a_batch_without_it(seed, row, mode):
    advantages = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scored = torch.ones(6, 2, dtype=torch.bool)
    whole = normalise(advantages, mask_of(scored), mode)
    scored[row, 0] = False
    found, rest = normalise(advantages, mask_of(scored), mode), [b for b in range(6) if b != row]
    alone = normalise(advantages[rest], mask_of(scored)[rest], mode)
    torch.testing.assert_close(found[rest][..., 0], alone[..., 0], rtol=0, atol=1e-12)
    assert not found[row, :, 0].any() and torch.equal(found[..., 1], whole[..., 1])


@pytest.mark.parametrize("kind", [Group, LeaveOneOut])
@given(st.integers(0, 10**6), st.integers(0, 5))
def test_the_others_of_its_group_are_a_smaller_group(kind, seed, row):
    rewards = torch.randn(6, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scored = torch.ones(6, 2, dtype=torch.bool)
    scored[row, 1] = False
    found = kind(responses=6).estimate(rewards, None, mask_of(scored), PPO()).advantages
    rest = [b for b in range(6) if b != row]
    alone = kind(responses=5).estimate(rewards[rest], None, mask_of(scored)[rest], PPO()).advantages
    torch.testing.assert_close(found[rest][..., 1], alone[..., 1], rtol=0, atol=1e-12)
    assert not found[row, :, 1].any()


def with_advantages(module, batch, rule, estimator=Critic(), **changes):  # noqa: B008
    settings = PPO(mini_batch_size=3, **changes)
    return compute_advantages(batch, module, rule=rule, beta=0.1, estimator=estimator, settings=settings)[:2]


def without_scores(batch, places):
    """As the scoring stage leaves it: raw NaN, standardised 0."""
    scored = batch.scored.clone()
    for row, k in places:
        scored[row, k] = False
    return replace(
        batch,
        scored=scored,
        raw=batch.raw.where(scored, float("nan")),
        standardised=batch.standardised.where(scored, 0.0),
    )


def rows_of(batch, rows):
    return Scored(
        **{
            field.name: [value[i] for i in rows]
            if isinstance(value := getattr(batch, field.name), list)
            else value[rows]
            for field in fields(batch)
            if getattr(batch, field.name) is not None
        }
    )


@pytest.mark.parametrize("estimator", [Critic(), Group(responses=6), LeaveOneOut(responses=6)], ids=repr)
@pytest.mark.parametrize("rule", [PLC(), Linear()], ids=repr)
def test_a_whole_batch_is_credited_as_one_without_the_row(tiny_model, rule, estimator):
    module, tokenizer = tiny.actor_critic(tiny_model, 2, heads=estimator.needs_critic)
    batch = without_scores(tiny.scored(tokenizer, 2, lengths=LENGTHS), [(2, 0)])
    found, _ = with_advantages(module, batch, rule, estimator)
    rest = [0, 1, 3, 4, 5]
    smaller = estimator if estimator.needs_critic else estimator.model_copy(update={"responses": 5})
    alone, _ = with_advantages(module, rows_of(batch, rest), rule, smaller)
    torch.testing.assert_close(found.advantages[rest][..., 0], alone.advantages[..., 0], rtol=0, atol=1e-5)
    assert not found.advantages[2, :, 0].any() and found.advantages[2, :, 1].any()


@pytest.mark.parametrize("whiten", [True, False])
def test_what_no_objective_has_scored_teaches_nothing(tiny_model, whiten):
    module, tokenizer = tiny.actor_critic(tiny_model, 2)
    batch = without_scores(tiny.scored(tokenizer, 2, lengths=LENGTHS), [(2, 0), (2, 1)])
    found, _ = with_advantages(module, batch, PLC(), whiten=whiten)
    assert not found.rectified[2].any()
    rest = [0, 1, 3, 4, 5]
    alone, _ = with_advantages(module, rows_of(batch, rest), PLC(), whiten=whiten)
    torch.testing.assert_close(found.rectified[rest], alone.rectified, rtol=0, atol=1e-5)


def test_metrics_are_over_what_was_scored(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model, 2)
    batch = without_scores(tiny.scored(tokenizer, 2, lengths=LENGTHS), [(2, 0), (4, 0)])
    objectives = Objectives(("one", "two"), {"one": 0.5, "two": 0.5})
    found = metrics.measure(*with_advantages(module, batch, PLC()), objectives)
    rest = [0, 1, 3, 5]
    alone = metrics.measure(*with_advantages(module, rows_of(batch, rest), PLC()), objectives)
    for name in ("reward", "reward_std", "standardised", "explained_variance"):
        assert found[name]["one"] == pytest.approx(alone[name]["one"], abs=1e-5), name
    assert found["unscored"] == {"one": 2, "two": 0} and found["reward_calls"] == 12
    assert found["reward_std"]["two"] == pytest.approx(float(batch.raw[:, 1].double().std(correction=0)), abs=1e-6)


def test_an_objective_that_is_constant_has_a_deviation_of_exactly_0(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model, 2)
    batch = tiny.scored(tokenizer, 2, lengths=LENGTHS)
    batch = replace(batch, raw=torch.full_like(batch.raw, 0.3))
    objectives = Objectives(("one", "two"), {"one": 0.5, "two": 0.5})
    assert metrics.measure(*with_advantages(module, batch, PLC()), objectives)["reward_std"] == {"one": 0.0, "two": 0.0}


def test_noise_comes_from_partners_that_have_a_score():
    clean = torch.tensor([[1.0, float("nan")], [1.0, 2.0]])
    found = noisy(clean, RewardNoise(fraction=1.0, low=2.0, high=2.0), 0)
    assert found[0, 0] == 1.0 and found[0, 1].isnan() and (found[1] < clean[1]).all()
