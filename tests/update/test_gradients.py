"""The objectives' gradients, and the update that a combination of them makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from lenity.config.sections import PPO
from lenity.rules import GAPO, MGDA, PGAPO, Linear
from lenity.rules.torchjd import TorchJD
from lenity.update.gradients import compared_parameters, jacobian, objective_losses
from lenity.update.ppo import policy_loss

SETTINGS = PPO(epochs=1, mini_batch_size=8, accumulation=1, whiten=False, value_coefficient=0.0)


def losses_of(tokens):
    return lambda outputs, part: objective_losses(outputs, part, 0.2, tokens)


def test_rows_are_the_objectives_own_gradients(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, SETTINGS)
    parameters = compared_parameters(module.policy, MGDA(parameters="all"))
    rows = torch.tensor([[0, 1, 2], [3, 4, 5]])
    tokens = batch.response_mask[rows.flatten()].sum()
    found = jacobian(module, [batch.select(part) for part in rows], parameters, losses_of(tokens))
    for k in range(3):
        twin, _ = tiny.actor_critic(tiny_model)
        part = batch.select(rows.flatten())
        policy_loss(twin(**part.inputs).logprobs, part.logprobs, part.advantages[..., k], part.response_mask)[
            0
        ].backward()
        wanted = torch.cat([p.grad.flatten() for p in twin.policy.parameters() if p.requires_grad])
        torch.testing.assert_close(found[k], wanted, rtol=1e-5, atol=1e-6)


def test_the_last_layer_alone_is_compared_by_default(tiny_model):
    module, _ = tiny.actor_critic(tiny_model)
    names = {id(p): name for name, p in module.policy.named_parameters()}
    chosen = [names[id(p)] for p in compared_parameters(module.policy, MGDA())]
    assert chosen and all(".layers.1." in name for name in chosen)


@pytest.mark.parametrize("sizes", [(8, 1), (2, 4)])
def test_p_gapo_is_one_step_along_the_normalised_gradients(tiny_model, sizes):
    weights = torch.tensor([0.5, 0.3, 0.2])
    settings = SETTINGS.model_copy(update={"mini_batch_size": sizes[0], "accumulation": sizes[1]})
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, settings)
    batch = replace(batch, weights=weights.expand(len(batch), -1))
    before = tiny.trained(module)
    parameters = [p for p in module.policy.parameters() if p.requires_grad]
    rows = jacobian(module, [batch], parameters, losses_of(batch.response_mask.sum()))
    wanted = (weights.unsqueeze(1) * rows / rows.norm(dim=1, keepdim=True)).sum(0)
    stats, _ = tiny.updater(module, settings)(batch, tiny.NO_SEED, PGAPO(parameters="all"))
    moved = torch.cat(
        [
            (before[name] - p).flatten()
            for name, p in module.named_parameters()
            if p.requires_grad and name.startswith("policy.")
        ]
    )
    torch.testing.assert_close(moved / 1e-2, wanted, rtol=0, atol=1e-4)
    parts = sizes[1]
    assert (stats["forward_passes"], stats["backward_passes"]) == (2 * parts, 4 * parts)
    assert len(stats["combination"]) == 3 and stats["rule_seconds"] > 0


def test_equal_gradients_make_mgda_the_linear_rule(tiny_model):
    """One objective copied three times: every rule must move the policy as the one objective would."""
    found = []
    for rule in (MGDA(parameters="all"), Linear()):
        module, tokenizer = tiny.actor_critic(tiny_model)
        batch = tiny.with_advantages(module, tokenizer, SETTINGS)
        one = batch.advantages[..., :1].expand_as(batch.advantages).contiguous()
        tiny.updater(module, SETTINGS)(
            replace(batch, advantages=one, rectified=one[..., 0].contiguous()), tiny.NO_SEED, rule
        )
        found.append({name: p for name, p in tiny.trained(module).items() if name.startswith("policy.")})
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rule", [MGDA(), GAPO(), PGAPO(), TorchJD(aggregator="UPGrad")], ids=repr)
@pytest.mark.parametrize("shift", [20.0, 200.0], ids=["large", "infinite"])
def test_an_exploded_mini_batch_does_not_steer_the_others(tiny_model, rule, shift):
    """Of two mini-batches of one step one explodes: the step is that of the other alone."""
    settings = PPO(epochs=1, mini_batch_size=4, accumulation=2, whiten=False, value_coefficient=0.0)
    found = []
    for broken in (True, False):
        module, tokenizer = tiny.actor_critic(tiny_model)
        batch = tiny.with_advantages(module, tokenizer, settings)
        torch.manual_seed(0)
        second = batch.by_length(torch.randperm(8))[4:]
        if broken:
            logprobs = batch.logprobs.clone()
            logprobs[second] -= shift
            batch = replace(batch, logprobs=logprobs)
        else:
            advantages = batch.advantages.clone()
            advantages[second] = 0.0
            batch = replace(batch, advantages=advantages)
        stats, _ = tiny.updater(module, settings)(batch, torch.manual_seed, rule)
        assert stats["skipped_mini_batches"] == int(broken)
        found.append(tiny.trained(module))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)


def test_a_step_of_broken_gradients_is_skipped_and_counted(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.with_advantages(module, tokenizer, SETTINGS)
    before = tiny.trained(module)
    batch = replace(batch, advantages=torch.full_like(batch.advantages, float("inf")))
    stats, _ = tiny.updater(module, SETTINGS)(batch, tiny.NO_SEED, MGDA())
    assert stats["non_finite_steps"] == 1
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)
