"""The update: accumulation, skipping, and textbook PPO with one objective."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import tiny
from lenity.config.sections import PPO
from lenity.distributed import memory
from lenity.errors import NumericalError, ResourceError
from lenity.rollout.batch import WithAdvantages
from lenity.rules import MGDA
from lenity.update.step import adapter_dropout_only
from oracles import slow


@pytest.mark.parametrize("sizes", [(1, 8), (2, 4), (4, 2)])
def test_accumulation_is_a_larger_mini_batch(tiny_model, sizes):
    found = []
    for size, accumulation in [(8, 1), sizes]:
        settings = PPO(epochs=2, mini_batch_size=size, accumulation=accumulation)
        module, tokenizer = tiny.actor_critic(tiny_model)
        stats, _ = tiny.updater(module, settings)(tiny.with_advantages(module, tokenizer, settings), tiny.NO_SEED)
        found.append((stats, tiny.trained(module)))
    torch.testing.assert_close(found[0][1], found[1][1], rtol=0, atol=1e-6)
    means = [{name: x for name, x in stats.items() if not name.endswith("passes")} for stats, _ in found]
    assert means[0] == pytest.approx(means[1], abs=1e-5)


def test_mini_batches_of_like_length_give_the_gradient_of_any(tiny_model, monkeypatch):
    found = []
    for ordered in (True, False):
        if not ordered:
            monkeypatch.setattr(WithAdvantages, "by_length", lambda self, rows: rows)
        settings = PPO(epochs=2, mini_batch_size=2, accumulation=4)
        module, tokenizer = tiny.actor_critic(tiny_model)
        tiny.updater(module, settings)(tiny.with_advantages(module, tokenizer, settings), tiny.NO_SEED)
        found.append(tiny.trained(module))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


def test_like_lengths_need_less_padding(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, PPO())
    order = batch.by_length(torch.arange(8))
    lengths = (batch.prompt_mask.sum(1) + batch.response_mask.sum(1))[order].tolist()
    assert lengths == sorted(lengths, reverse=True) and sorted(order.tolist()) == list(range(8))


def test_one_objective_without_leniency_is_textbook_ppo(tiny_model):
    """The same batch through scalar PPO written out here: whitened GAE, clipped losses, plain SGD on the mean."""
    settings = PPO(epochs=1, mini_batch_size=8, accumulation=1, value_coefficient=0.5, normalise="none")
    module, tokenizer = tiny.actor_critic(tiny_model, 1)
    batch = tiny.with_advantages(module, tokenizer, settings, objectives=1)
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
    stats, _ = tiny.updater(module, settings)(batch, tiny.NO_SEED)
    torch.testing.assert_close(tiny.trained(module), tiny.trained(twin), rtol=0, atol=2e-6)
    assert stats["policy_loss"] + 0.5 * stats["value_loss"] == pytest.approx(loss.item(), abs=1e-5)


def test_an_exploded_mini_batch_is_skipped_and_counted(tiny_model):
    settings = PPO(epochs=1, mini_batch_size=4, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    batch = replace(batch, logprobs=batch.logprobs - 20.0)
    before = tiny.trained(module)
    stats, _ = tiny.updater(module, settings)(batch, tiny.NO_SEED)
    assert stats["skipped_mini_batches"] == 2
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)


BROKEN = [
    ("rectified", float("nan"), "policy loss"),
    ("returns", float("inf"), "value loss"),
    ("logprobs", float("nan"), "policy loss"),
]


@pytest.mark.parametrize(("field", "value", "named"), BROKEN)
def test_what_is_not_finite_does_not_reach_the_optimizer_and_is_named(tiny_model, field, value, named):
    """One row of eight; the step of the other mini-batch is taken."""
    settings = PPO(epochs=1, mini_batch_size=4, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    column = getattr(batch, field).clone()
    column[2] = value
    words = []
    update = tiny.updater(module, settings, notify=words.append)
    before = tiny.trained(module)
    stats, _ = update(replace(batch, **{field: column}), tiny.NO_SEED)
    assert stats["non_finite_steps"] == 1 == update.failures.non_finite_steps
    assert len(words) == 1 and named in words[0]
    after = tiny.trained(module)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert any(not torch.equal(after[name], value) for name, value in before.items())
    assert all(math.isfinite(x) for x in stats.values() if isinstance(x, float))


def test_a_gradient_that_is_not_finite_is_skipped_where_the_loss_is(tiny_model):
    settings = PPO(epochs=1, mini_batch_size=8, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    weight = module.heads.mlp[-1].weight
    weight.register_hook(lambda gradient: gradient * float("inf"))
    words, before = [], tiny.trained(module)
    stats, _ = tiny.updater(module, settings, notify=words.append)(batch, tiny.NO_SEED)
    assert stats["non_finite_steps"] == 1 and "gradient of heads.mlp.3.weight" in words[0]
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)


def test_too_many_such_steps_stop_the_run_with_names(tiny_model):
    settings = PPO(epochs=2, mini_batch_size=4, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    broken = replace(batch, returns=torch.full_like(batch.returns, float("nan")))
    before = tiny.trained(module)
    with pytest.raises(NumericalError, match=r"3 optimizer steps were not finite.*value loss"):
        tiny.updater(module, settings, allowed=2)(broken, tiny.NO_SEED)
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)


def hungry(module, most, device="CPU"):
    """Out of memory where a forward pass holds more than ``most`` responses; in the words of CUDA, or for real."""

    def forward(prompt_ids, *args, **kwargs):
        if len(prompt_ids) > most and torch.is_grad_enabled():
            if device == "CUDA":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            torch.empty(2**50)
        return plain(prompt_ids, *args, **kwargs)

    plain, module.forward = module.forward, forward


@pytest.mark.parametrize(("rule", "device"), [(None, "CPU"), (MGDA(), "CPU"), (None, "CUDA")])
def test_out_of_memory_halves_the_micro_batch_and_keeps_the_step(tiny_model, rule, device):
    found = []
    for most in (8, 3):
        settings = PPO(epochs=2, mini_batch_size=8, accumulation=1)
        module, tokenizer = tiny.actor_critic(tiny_model)
        batch = tiny.with_advantages(module, tokenizer, settings)
        hungry(module, most, device)
        words = []
        update = tiny.updater(module, settings, notify=words.append)
        stats, _ = update(batch, tiny.NO_SEED, rule)
        found.append((tiny.trained(module), stats["policy_loss"], update.failures.micro_batch, len(words)))
    assert [row[2:] for row in found] == [(8, 0), (2, 2)]
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0, atol=1e-6)
    assert found[1][1] == pytest.approx(found[0][1], abs=1e-5)


def test_out_of_memory_with_one_response_says_what_to_lower(tiny_model):
    settings = PPO(epochs=1, mini_batch_size=8, accumulation=1)
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    hungry(module, 0)
    with pytest.raises(ResourceError, match=r"Lower ppo\.mini_batch_size or rollout\.max_new_tokens"):
        tiny.updater(module, settings)(batch, tiny.NO_SEED)


def test_a_real_lack_of_memory_is_known_for_one():
    """The CPU allocator's own words."""
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**50)
    assert memory.ran_out(found.value) and not memory.ran_out(RuntimeError("shapes do not match"))


def test_only_adapter_dropout_is_on(tiny_model):
    module, _ = tiny.actor_critic(tiny_model)
    adapter_dropout_only(module)
    on = {
        name.rsplit(".", 2)[-2] for name, part in module.named_modules() if part.training and not list(part.children())
    }
    assert on <= {"lora_dropout", "default"} and on
    assert not module.policy.get_base_model().model.training
