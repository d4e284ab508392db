"""Layers computed again in the backward pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import tiny
from lenity.config.sections import PPO
from lenity.errors import ModelError
from lenity.models.actor_critic import ActorCritic
from lenity.models.critic import Heads, separate_backbone
from lenity.models.policy import load_policy
from lenity.models.recompute import recompute
from lenity.rules import MGDA, PLC


def module(model, checkpointing, kind):
    torch.manual_seed(1)
    settings = tiny.settings(model, gradient_checkpointing=checkpointing, lora={"dropout": 0.3})
    policy, tokenizer = load_policy(settings, torch.device("cpu"))
    critic = separate_backbone(None, policy, settings, torch.device("cpu")) if kind == "separate" else None
    made = ActorCritic(policy, Heads(16, 8, 3), critic)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name or "heads" in name:
                parameter.normal_(std=0.2)
    return made, tokenizer


@pytest.mark.parametrize("kind", ["shared", "separate"])
@pytest.mark.parametrize("rule", [PLC(leniency=0.0), MGDA(parameters="all")], ids=["plc", "mgda"])
def test_training_is_the_same_to_the_bit(tiny_model, rule, kind):
    """With dropout in the adapter, which must fall alike both times."""
    settings, ends = PPO(epochs=2, mini_batch_size=4, accumulation=1), []
    for checkpointing in (False, True):
        made, tokenizer = module(tiny_model, checkpointing, kind)
        batch = tiny.with_advantages(made, tokenizer, settings)
        update = tiny.updater(made, settings)
        update(batch, torch.manual_seed, rule)
        ends.append(tiny.trained(made))
    before = tiny.trained(module(tiny_model, False, kind)[0])
    assert any(not torch.equal(before[name], ends[0][name]) for name in before)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in before)


def test_only_the_inputs_of_layers_are_kept(tiny_model):
    kept = []
    for checkpointing in (False, True):
        made, tokenizer = module(tiny_model, checkpointing, "shared")
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t):
            made(**tiny.rollouts(tokenizer).inputs)
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 2


def test_a_model_without_known_layers_is_refused():
    with pytest.raises(ModelError, match=r"policy\.gradient_checkpointing is true, but Sequential"):
        recompute(nn.Sequential(nn.Linear(2, 2)))
