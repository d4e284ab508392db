"""Per-token rewards, and a batch with advantages against arithmetic by hand."""

from __future__ import annotations

import pytest
import torch

import tiny
from lenity.advantages.compute import compute_advantages, token_rewards
from lenity.config.sections import PPO
from lenity.estimators import Critic
from lenity.rules import PLC, Linear
from oracles import slow


def test_token_rewards_are_the_kl_at_each_token_and_the_score_at_the_last():
    mask = torch.arange(4) < torch.tensor([4, 2])[:, None]
    logprobs, reference = torch.randn(2, 4), torch.randn(2, 4)
    scores = torch.tensor([[1.0, -2.0], [0.5, 3.0]])
    found = token_rewards(scores, logprobs, reference, mask, beta=0.1)
    for b, length in enumerate([4, 2]):
        for t in range(4):
            for k in range(2):
                wanted = -0.1 * (logprobs[b, t] - reference[b, t]).item() if t < length else 0.0
                wanted += scores[b, k].item() if t == length - 1 else 0.0
                assert found[b, t, k].item() == pytest.approx(wanted, abs=1e-6)


def test_credit_is_the_slow_arithmetic(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    weights = torch.tensor([0.5, 0.3, 0.2])
    batch = tiny.scored(tokenizer, weights=weights)
    settings = PPO(normalise="none", whiten=False, mini_batch_size=3)
    found, entropy, _ = compute_advantages(
        batch, module, rule=PLC(temperature=0.5), beta=0.1, estimator=Critic(), settings=settings
    )
    lengths = batch.response_mask.sum(1).tolist()
    with torch.no_grad():
        outputs, reference = module(**batch.inputs), module(**batch.inputs, reference=True)
    rewards = token_rewards(batch.standardised, outputs.logprobs, reference.logprobs, batch.response_mask, 0.1)
    advantages, returns = slow.gae(rewards.tolist(), outputs.values.tolist(), lengths, settings.gamma, settings.lam)
    torch.testing.assert_close(found.advantages, torch.tensor(advantages), rtol=0, atol=1e-4)
    torch.testing.assert_close(found.returns, torch.tensor(returns), rtol=0, atol=1e-4)
    for b, length in enumerate(lengths):
        for t in range(length):
            wanted = slow.plc(advantages[b][t], weights.tolist(), "sigmoid", 0.5, 1.0)
            assert found.rectified[b, t].item() == pytest.approx(wanted, abs=1e-4)
    assert entropy.shape == batch.response_mask.shape


def test_leniency_0_is_linear(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.scored(tokenizer, weights=torch.tensor([0.5, 0.3, 0.2]))
    first, second = (
        compute_advantages(batch, module, rule=rule, beta=0.1, estimator=Critic(), settings=PPO())[0].rectified
        for rule in (Linear(), PLC(leniency=0.0))
    )
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)
