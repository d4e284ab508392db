"""The objectives' gradients, and the update that a combination of them makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import tiny
from lenity.aggregation import MGDA, PGAPO, Linear
from lenity.config.sections import PPO
from lenity.update.gradients import compared_parameters, jacobian
from lenity.update.ppo import policy_loss

SETTINGS = PPO(epochs=1, mini_batch_size=8, accumulation=1, whiten=False, value_coefficient=0.0)


def test_rows_are_the_objectives_own_gradients(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.credited(module, tokenizer, SETTINGS)
    parameters = compared_parameters(module.policy, MGDA(parameters="all"))
    rows = torch.tensor([[0, 1, 2], [3, 4, 5]])
    tokens = batch.response_mask[rows.flatten()].sum()
    found = jacobian(module, [batch.select(part) for part in rows], parameters, 0.2, tokens)
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
    batch = tiny.credited(module, tokenizer, settings)
    before = tiny.trained(module)
    parameters = [p for p in module.policy.parameters() if p.requires_grad]
    rows = jacobian(module, [batch], parameters, 0.2, batch.response_mask.sum())
    wanted = (weights.unsqueeze(1) * rows / rows.norm(dim=1, keepdim=True)).sum(0)
    stats = tiny.updater(module, settings)(batch, tiny.NO_SEED, PGAPO(parameters="all"), weights)
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
    weights = torch.full((3,), 1 / 3)
    found = []
    for rule in (MGDA(parameters="all"), Linear()):
        module, tokenizer = tiny.actor_critic(tiny_model)
        batch = tiny.credited(module, tokenizer, SETTINGS)
        one = batch.advantages[..., :1].expand_as(batch.advantages).contiguous()
        tiny.updater(module, SETTINGS)(
            replace(batch, advantages=one, rectified=one[..., 0].contiguous()), tiny.NO_SEED, rule, weights
        )
        found.append({name: p for name, p in tiny.trained(module).items() if name.startswith("policy.")})
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-6)
