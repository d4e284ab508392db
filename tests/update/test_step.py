"""The update: accumulation, skipping, and textbook PPO with one objective."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from lenity.config.sections import PPO
from lenity.update.step import adapter_dropout_only
from oracles import slow


@pytest.mark.parametrize("sizes", [(1, 8), (2, 4), (4, 2)])
def test_accumulation_is_a_larger_mini_batch(tiny_model, sizes):
    found = []
    for size, accumulation in [(8, 1), sizes]:
        settings = PPO(epochs=2, mini_batch_size=size, accumulation=accumulation)
        module, tokenizer = tiny.actor_critic(tiny_model)
        stats = tiny.updater(module, settings)(tiny.credited(module, tokenizer, settings), tiny.NO_SEED)
        found.append((stats, tiny.trained(module)))
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=1e-6)
    means = [{name: x for name, x in stats.items() if not name.endswith("passes")} for stats, _ in found]
    assert means[0] == pytest.approx(means[1], abs=1e-5)


def test_one_objective_without_leniency_is_textbook_ppo(tiny_model):
    """The same batch through scalar PPO written out here: whitened GAE, clipped losses, plain SGD on the mean."""
    settings = PPO(epochs=1, mini_batch_size=8, accumulation=1, value_coefficient=0.5, normalise="none")
    module, tokenizer = tiny.actor_critic(tiny_model, 1)
    batch = tiny.credited(module, tokenizer, settings, objectives=1)
    twin, _ = tiny.actor_critic(tiny_model, 1)
    mask, lengths = batch.response_mask, batch.response_mask.sum(1).tolist()
    with torch.no_grad():
        now, before = twin(**batch.inputs), twin(**batch.inputs, reference=True)
    rewards = [
        [[-0.05 * float(a - b)] for a, b in zip(*row, strict=True)]
        for row in zip(now.logprobs, before.logprobs, strict=True)
    ]
    for row, length in enumerate(lengths):
        rewards[row][length - 1][0] += batch.raw[row, 0].item()
    advantages, returns = slow.gae(rewards, now.values.tolist(), lengths, settings.gamma, settings.lam)
    advantages = torch.tensor(advantages)[..., 0]
    real = advantages[mask]
    advantages = (advantages - real.mean()) / real.std(correction=0)
    outputs = twin(**batch.inputs)
    ratio = torch.exp(outputs.logprobs - now.logprobs)
    surrogate = torch.min(ratio * advantages, ratio.clip(0.8, 1.2) * advantages)[mask].mean()
    error = (outputs.values - torch.tensor(returns))[mask]
    loss = -surrogate + 0.5 * 0.5 * error.square().mean()
    loss.backward()
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-2 * parameter.grad)
    stats = tiny.updater(module, settings)(batch, tiny.NO_SEED)
    torch.testing.assert_close(tiny.trained(module), tiny.trained(twin), rtol=0, atol=2e-6)
    assert stats["policy_loss"] + 0.5 * stats["value_loss"] == pytest.approx(loss.item(), abs=1e-5)


def test_an_exploded_mini_batch_is_skipped_and_counted(tiny_model):
    settings = PPO(epochs=1, mini_batch_size=4, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.credited(module, tokenizer, settings)
    batch = replace(batch, logprobs=batch.logprobs - 20.0)
    before = tiny.trained(module)
    stats = tiny.updater(module, settings)(batch, tiny.NO_SEED)
    assert stats["skipped_mini_batches"] == 2
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)


def test_a_broken_gradient_does_not_reach_the_weights(tiny_model):
    settings = PPO(epochs=1, mini_batch_size=8, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.credited(module, tokenizer, settings)
    before = tiny.trained(module)
    stats = tiny.updater(module, settings)(
        replace(batch, rectified=torch.full_like(batch.rectified, float("nan"))), tiny.NO_SEED
    )
    assert stats["skipped_mini_batches"] == 1
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)


def test_only_adapter_dropout_is_on(tiny_model):
    module, _ = tiny.actor_critic(tiny_model)
    adapter_dropout_only(module)
    on = {
        name.rsplit(".", 2)[-2] for name, part in module.named_modules() if part.training and not list(part.children())
    }
    assert on <= {"lora_dropout", "default"} and on
    assert not module.policy.get_base_model().model.training
