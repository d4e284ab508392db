"""Truncated importance weights: against a slow twin, their laws, and the expectation that they restore."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from lenity.advantages.compute import compute_advantages
from lenity.advantages.importance import engine_gap, importance_weights
from lenity.config.sections import PPO
from lenity.estimators import Critic
from lenity.rollout.batch import concatenate
from lenity.rules import PLC
from lenity.rules.gradient import MGDA
from lenity.update.gradients import objective_losses
from lenity.update.ppo import policy_loss
from oracles import slow

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=4)
CAPS = st.floats(1, 5)


def case(seed, lengths):
    """Log-probs below 0 of trainer and engine, and the mask."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    logprobs, engine = -3 * torch.rand(2, *mask.shape, generator=generator, dtype=torch.float64)
    return logprobs, engine, mask


@given(st.integers(0, 10**6), LENGTHS, CAPS)
def test_weights_are_those_of_the_slow_twin(seed, lengths, cap):
    logprobs, engine, mask = case(seed, lengths)
    got = importance_weights(logprobs, engine, mask, cap)
    wanted = slow.importance(logprobs.tolist(), engine.tolist(), mask.tolist(), cap)
    assert torch.allclose(got, torch.tensor(wanted, dtype=torch.float64), atol=1e-12)


@given(st.integers(0, 10**6), LENGTHS, CAPS)
def test_laws(seed, lengths, cap):
    logprobs, engine, mask = case(seed, lengths)
    logprobs.requires_grad_()
    weights = importance_weights(logprobs, engine, mask, cap)
    assert not weights.requires_grad
    assert bool(((weights > 0) & (weights <= cap)).all())
    assert bool((weights[~mask] == 1).all())
    wider = importance_weights(logprobs, engine, mask, cap + 1)
    assert bool((wider >= weights).all())
    assert torch.equal(importance_weights(engine, engine, mask, cap), torch.ones_like(engine))


@given(st.integers(0, 10**6), LENGTHS)
def test_an_engine_without_a_gap_changes_no_bit_of_loss_and_gradient(seed, lengths):
    old, change, mask = case(seed, lengths)
    found = []
    for importance in (None, importance_weights(old, old, mask, 2.0)):
        logprobs = (old + 0.3 * change).requires_grad_()
        loss, clipped = policy_loss(logprobs, old, change + 1, mask, importance=importance)
        loss.backward()
        found.append((loss.detach(), clipped, logprobs.grad))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def gradient(theta, sampler, advantages, importance, several=False):
    """Of the loss's expectation over one token drawn from ``sampler``, every token counted by its probability."""
    theta = theta.clone().requires_grad_()
    logprobs, mask = theta.log_softmax(-1), torch.ones(1, 1, dtype=torch.bool)
    total = theta.new_zeros(())
    for token, chance in enumerate(sampler):
        now = logprobs[token].reshape(1, 1)
        weight = importance(now.detach(), chance.log().reshape(1, 1), mask)
        part = SimpleNamespace(
            logprobs=now.detach(), advantages=advantages[token].reshape(1, 1, -1), response_mask=mask, importance=weight
        )
        if several:
            loss = objective_losses(SimpleNamespace(logprobs=now), part, 0.2, torch.tensor(1))
        else:
            loss = policy_loss(now, now.detach(), part.advantages[..., 0], mask, importance=weight)[0]
        total = total + chance * loss.sum()
    total.backward()
    return theta.grad


@given(st.integers(0, 10**6), st.booleans())
def test_under_a_perturbed_sampler_the_expected_gradient_is_the_on_policy_one(seed, several):
    generator = torch.Generator().manual_seed(seed)
    theta, noise = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    advantages = torch.randn(6, 3 if several else 1, generator=generator, dtype=torch.float64)
    policy, engine = theta.softmax(-1), (theta + noise).softmax(-1)

    def corrected(cap):
        return gradient(theta, engine, advantages, lambda p, q, mask: importance_weights(p, q, mask, cap), several)

    wanted = gradient(theta, policy, advantages, lambda p, q, mask: None, several)
    assert torch.allclose(corrected(1e9), wanted, atol=1e-12)
    # truncated, a token counts as if it had been drawn with min(p, cap q)
    capped = gradient(theta, torch.minimum(policy, 2 * engine), advantages, lambda p, q, mask: None, several)
    assert torch.allclose(corrected(2.0), capped, atol=1e-12)


def test_without_the_weights_the_expected_gradient_is_another():
    theta, noise = torch.tensor([[0.0, 1.0, -1.0], [0.5, -0.5, 0.0]], dtype=torch.float64)
    advantages = torch.tensor([[1.0], [-1.0], [2.0]], dtype=torch.float64)
    plain = gradient(theta, (theta + noise).softmax(-1), advantages, lambda p, q, mask: None)
    wanted = gradient(theta, theta.softmax(-1), advantages, lambda p, q, mask: None)
    assert float((plain - wanted).abs().max()) > 0.05


def with_advantages(tiny_model, shift):
    """A batch whose engine had drawn each token with exp(shift) times the trainer's probability."""
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch, settings = tiny.scored(tokenizer), PPO(mini_batch_size=2)
    if shift is not None:
        own = module(**batch.inputs).logprobs.detach()
        batch = replace(batch, engine_logprobs=(own + shift).where(batch.response_mask, 0.0))
    return compute_advantages(batch, module, rule=PLC(), beta=0.05, estimator=Critic(), settings=settings)[0]


def test_metrics_of_a_known_gap(tiny_model):
    batch = with_advantages(tiny_model, torch.tensor([[0.5], [-1.0], [0.0], [0.25]]))
    shifts = [0.5] * 3 + [-1.0] + [0.0] * 5 + [0.25] * 4
    ratios = [float(torch.tensor(-shift).exp()) for shift in shifts]
    found = engine_gap(batch, 2.0)
    wanted = {
        "engine_gap_mean": sum(map(abs, shifts)) / 13,
        "engine_gap_max": 1.0,
        "engine_kl": sum(ratio - 1 + shift for ratio, shift in zip(ratios, shifts, strict=True)) / 13,
        "importance_mean": sum(min(ratio, 2.0) for ratio in ratios) / 13,
        "importance_capped": 1 / 13,
    }
    assert found == pytest.approx(wanted, abs=1e-4)


def test_an_engine_that_is_the_trainer_has_no_gap_to_report(tiny_model):
    batch = with_advantages(tiny_model, None)
    assert batch.importance is None
    assert engine_gap(batch, 2.0) == {}


@pytest.mark.parametrize("rule", [None, MGDA()], ids=["advantages", "gradients"])
def test_a_token_that_counts_nothing_moves_the_policy_by_nothing(tiny_model, rule):
    found = {}
    for weight in (None, 1.0, 0.0):
        module, tokenizer = tiny.actor_critic(tiny_model)
        settings = PPO(epochs=1, mini_batch_size=2, accumulation=2, value_coefficient=0.0)
        batch = tiny.with_advantages(module, tokenizer, settings)
        importance = None if weight is None else torch.full_like(batch.rectified, weight)
        before = tiny.trained(module)
        update = tiny.updater(module, settings)
        update(replace(batch, importance=importance), tiny.NO_SEED, rule)
        found[weight] = {name: p - before[name] for name, p in tiny.trained(module).items()}
    assert all(torch.equal(found[1.0][name], found[None][name]) for name in found[None])
    assert any(bool(change.any()) for change in found[None].values())
    assert not any(bool(change.any()) for change in found[0.0].values())


def test_an_engines_log_probs_stay_with_their_tokens(tiny_model):
    batch = with_advantages(tiny_model, torch.tensor([[0.5], [-1.0], [0.0], [0.25]]))
    some = batch.select(torch.tensor([3, 1]))
    assert torch.equal(some.engine_logprobs, batch.engine_logprobs[[3, 1], :4])
    assert torch.equal(some.importance, batch.importance[[3, 1], :4])
    both = concatenate([some, batch], 0)
    assert torch.equal(both.engine_logprobs[2:], batch.engine_logprobs)
    assert torch.equal(both.engine_logprobs[:2, :4], some.engine_logprobs)
    assert concatenate([some, replace(batch, engine_logprobs=None)], 0).engine_logprobs is None
