"""Log-probs and values against the plain model."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import tiny
from lenity.config.sections import LoRA
from lenity.errors import ModelError
from lenity.models import actor_critic
from lenity.models.actor_critic import check_head
from lenity.models.critic import separate_backbone
from lenity.models.policy import load_policy


def plain_logprobs(model, batch, temperature=1.0):
    """One row at a time, without padding, through the model's own head."""
    found = torch.zeros(batch.response_mask.shape)
    entropy = torch.zeros(batch.response_mask.shape)
    for row in range(len(batch)):
        prompt = batch.prompt_ids[row][batch.prompt_mask[row]]
        answer = batch.response_ids[row][batch.response_mask[row]]
        logits = model(input_ids=torch.cat([prompt, answer])[None]).logits[0, len(prompt) - 1 : -1] / temperature
        for t, token in enumerate(answer):
            probabilities = torch.softmax(logits[t], -1)
            found[row, t] = torch.log(probabilities[token])
            entropy[row, t] = -(probabilities * torch.log(probabilities)).sum()
    return found, entropy


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@torch.no_grad()
def test_logprobs_and_entropy_are_those_of_the_plain_model(tiny_model, temperature):
    module, tokenizer = tiny.actor_critic(tiny_model, temperature=temperature)
    batch = tiny.rollouts(tokenizer)
    outputs = module(**batch.inputs, entropy=True)
    logprobs, entropy = plain_logprobs(module.policy, batch, temperature)
    torch.testing.assert_close(outputs.logprobs, logprobs, rtol=0, atol=2e-5)
    torch.testing.assert_close(outputs.entropy, entropy, rtol=0, atol=2e-5)


@torch.no_grad()
def test_reference_is_the_policy_without_its_adapter(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    fresh, _ = tiny.actor_critic(tiny_model, randomised=False)
    batch = tiny.rollouts(tokenizer)
    reference = module(**batch.inputs, reference=True)
    torch.testing.assert_close(reference.logprobs, fresh(**batch.inputs).logprobs)
    assert reference.values is None
    assert (module(**batch.inputs).logprobs - reference.logprobs).abs().max() > 1e-3


@torch.no_grad()
def test_padding_changes_nothing(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.rollouts(tokenizer)
    together = module(**batch.inputs)
    for row in range(len(batch)):
        alone = batch.select(torch.tensor([row]))
        assert alone.prompt_mask.all() and alone.response_mask.all()
        outputs, length = module(**alone.inputs), alone.response_mask.shape[1]
        torch.testing.assert_close(outputs.logprobs[0], together.logprobs[row, :length], rtol=0, atol=1e-5)
        torch.testing.assert_close(outputs.values[0], together.values[row, :length], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["shared", "detached", "separate"])
def test_which_parameters_the_value_loss_reaches(tiny_model, kind):
    critic = None
    if kind == "separate":
        policy = load_policy(tiny.settings(tiny_model), torch.device("cpu"))[0]
        critic = separate_backbone(None, policy, tiny.settings(tiny_model), torch.device("cpu"))
    module, tokenizer = tiny.actor_critic(tiny_model, critic=critic, detach=kind == "detached")
    outputs = module(**tiny.rollouts(tokenizer).inputs)
    assert outputs.values.shape == (4, 5, 3)
    outputs.values.square().sum().backward()
    touched = {
        name.split(".")[0] for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert touched == {"shared": {"policy", "heads"}, "detached": {"heads"}, "separate": {"critic", "heads"}}[kind]


@torch.no_grad()
def test_the_trunk_sees_few_shapes_and_never_more_than_the_window(tiny_model, monkeypatch):
    module, tokenizer = tiny.actor_critic(tiny_model)
    shapes, plain = [], module._states

    def states(backbone, ids):
        shapes.append(tuple(ids.shape))
        return plain(backbone, ids)

    monkeypatch.setattr(module, "_states", states)
    for lengths in ((3, 1, 5, 4), (30, 1, 2, 3), (2, 2, 31, 30), (9, 9, 9, 9)):
        batch = tiny.rollouts(tokenizer, lengths=lengths)
        module(**batch.inputs)
        together = batch.prompt_ids.shape[1] + batch.response_ids.shape[1]
        longest = int((batch.prompt_mask.sum(1) + batch.response_mask.sum(1)).max())
        assert longest <= shapes[-1][1] <= together
        assert shapes[-1][1] % actor_critic.WIDTHS == 0 or shapes[-1][1] == together


def test_a_prompt_without_a_token_leaves_the_other_rows_as_they_are(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    batch = tiny.rollouts(tokenizer)
    with torch.no_grad():
        whole = module(**batch.inputs).logprobs
        batch.prompt_mask[0] = False
        found = module(**batch.inputs).logprobs
    torch.testing.assert_close(found[1:], whole[1:], rtol=0, atol=1e-5)
    assert found[0].isfinite().all()


def test_separate_critic_of_another_vocabulary_is_refused(tiny_model, tmp_path):
    module, _ = tiny.actor_critic(tiny_model)
    other = module.policy.get_base_model()
    other.resize_token_embeddings(200)
    with pytest.raises(ModelError, match=r"critic\.model"):
        separate_backbone(None, other, tiny.settings(tiny_model), torch.device("cpu"))


def test_logits_that_do_not_come_of_the_last_states_alone_are_refused(tiny_model):
    module, _ = tiny.actor_critic(tiny_model)
    assert check_head(module.policy) == 0
    model = module.policy.get_base_model()
    plain = model.forward

    def forward(input_ids, **options):
        found = plain(input_ids, **options)
        found.logits = found.logits + 0.05 * (input_ids % 2).unsqueeze(-1) * torch.arange(found.logits.shape[-1]).cos()
        return found

    model.forward = forward
    with pytest.raises(
        ModelError, match=r"LlamaForCausalLM does not compute its logits .* differ from its own by up to 0\.\d+ nats"
    ):
        check_head(module.policy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "./no/such/folder"}, "a folder that does not exist"),
        ({"model": "no-such-hub-name"}, "cannot load policy.model 'no-such-hub-name'"),
        ({"model": "src/lenity/models"}, r"has no config\.json"),
        ({"lora": LoRA(target_modules=["no_such_layer"])}, "target_modules"),
    ],
)
def test_bad_policies_are_refused(tiny_model, changes, message):
    policy = tiny.settings(tiny_model).model_copy(update=changes)
    with pytest.raises(ModelError, match=message):
        load_policy(policy, torch.device("cpu"))


def gradients(module, batch):
    outputs = module(**batch.inputs, entropy=True)
    (outputs.logprobs.sum() + outputs.values.square().sum()).backward()
    return outputs, {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_chunks_of_the_head_change_neither_log_probs_nor_gradients(tiny_model, monkeypatch):
    found = []
    for chunk in (actor_critic.CHUNK, 300):
        monkeypatch.setattr(actor_critic, "CHUNK", chunk)
        module, tokenizer = tiny.actor_critic(tiny_model)
        found.append(gradients(module, tiny.rollouts(tokenizer)))
    assert 300 // len(tokenizer) < 13, "several chunks"
    for ours, theirs in zip(found[1][0], found[0][0], strict=True):
        torch.testing.assert_close(
            ours, theirs, rtol=1e-6, atol=1e-6
        )  # a unit in the last place of products of other shapes
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-4, atol=1e-5)


class Largest(TorchDispatchMode):
    """The most distributions over the vocabulary in any tensor that an operation makes."""

    def __init__(self, vocabulary):
        super().__init__()
        self.vocabulary, self.most = vocabulary, 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        found = function(*arguments, **(options or {}))
        for each in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(each, torch.Tensor) and each.shape[-1:] == (self.vocabulary,):
                self.most = max(self.most, each.numel() // self.vocabulary)
        return found


def test_memory_of_the_head_does_not_grow_with_the_batch(tiny_model, monkeypatch):
    module, tokenizer = tiny.actor_critic(tiny_model)
    monkeypatch.setattr(actor_critic, "CHUNK", 40 * len(tokenizer))
    batch = tiny.rollouts(tokenizer, lengths=(50,) * 40)
    with Largest(len(tokenizer)) as seen:
        gradients(module, batch)
    assert seen.most == 40


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs a C++ compiler")
def test_compiled_layers_give_the_same_log_probs_values_and_gradients(tiny_model):
    """At two shapes, with the adapter on and off."""
    found = []
    for compiled in (False, True):
        module, tokenizer = tiny.actor_critic(tiny_model, compiled=compiled)
        results = []
        for lengths in ((3, 1, 5, 4), (7, 2)):
            batch = tiny.rollouts(tokenizer, lengths=lengths)
            with torch.no_grad():
                results.append(module(**batch.inputs, reference=True).logprobs)
            outputs, gradient = gradients(module, batch)
            results += [outputs.logprobs.detach(), outputs.values.detach(), *gradient.values()]
            module.zero_grad()
        found.append(results)
    assert len(found[0]) == len(found[1]) > 20
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
