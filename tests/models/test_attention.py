"""Attention by plain products against torch's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward

import tiny
from lenity.models import attention
from lenity.models.actor_critic import ActorCritic
from lenity.models.attention import NAME, products, quicken
from lenity.models.critic import Heads
from lenity.models.policy import load_policy


def tensors(dtype, keys=2, length=9, heads=4):
    generator = torch.Generator().manual_seed(0)
    shapes = ((3, heads, length, 8), (3, keys, length, 8), (3, keys, length, 8))
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def masks(kind, length=9):
    real = torch.arange(length) >= torch.tensor([0, 2, 5])[:, None]  # padded on the left
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return {"none": None, "padded": (causal & real[:, None, :])[:, None], "both ways": real[:, None, None, :]}[kind]


@pytest.mark.parametrize("kind", ["none", "padded", "both ways"])
@pytest.mark.parametrize("keys", [2, 4])
@pytest.mark.parametrize("scaling", [None, 0.3])
def test_values_and_gradients_are_those_of_float32_to_bfloat16s_precision(kind, keys, scaling):
    module = SimpleNamespace(num_key_value_groups=4 // keys, is_causal=True)
    mask, found = masks(kind), {}
    real = (
        torch.arange(9) >= torch.tensor([0, 2, 5])[:, None] if kind == "padded" else torch.ones(3, 9, dtype=torch.bool)
    )
    for name, function, dtype in (("slow", sdpa_attention_forward, torch.float32), ("ours", products, torch.bfloat16)):
        inputs = tensors(dtype, keys)
        states, _ = function(module, *inputs, mask, scaling=scaling, is_causal=None)
        assert states.isfinite().all() and states.shape == (3, 9, 4, 8)
        states[real].float().square().sum().backward()
        found[name] = [states[real].float().detach(), *(x.grad.float() for x in inputs)]
    for ours, slow in zip(found["ours"], found["slow"], strict=True):
        assert (ours - slow).abs().max() < 0.03 * slow.abs().max()  # 8 bits of mantissa


def test_a_mask_of_numbers_is_added():
    module, inputs = SimpleNamespace(num_key_value_groups=2, is_causal=True), tensors(torch.bfloat16)
    allowed = masks("padded")
    added = torch.zeros(allowed.shape, dtype=torch.bfloat16).masked_fill(~allowed, torch.finfo(torch.bfloat16).min)
    assert torch.equal(products(module, *inputs, allowed)[0], products(module, *inputs, added)[0])


def test_float32_long_texts_and_dropout_keep_torchs_function(monkeypatch):
    module = SimpleNamespace(num_key_value_groups=2, is_causal=True)
    inputs = tensors(torch.float32)
    expected = sdpa_attention_forward(module, *inputs, None)[0]
    assert torch.equal(products(module, *inputs, None)[0], expected)
    inputs = tensors(torch.bfloat16)
    expected = sdpa_attention_forward(module, *inputs, None)[0]
    assert not torch.equal(products(module, *inputs, None)[0], expected), "otherwise the next line shows nothing"
    monkeypatch.setattr(attention, "LONGEST", 8)
    assert torch.equal(products(module, *inputs, None)[0], expected)


def test_only_a_bfloat16_model_on_a_cpu_is_changed_and_only_where_it_would_use_torchs(tiny_model, tmp_path):
    from transformers import AutoModelForCausalLM

    def load(dtype, **options):
        return quicken(AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype, **options))

    assert load(torch.float32).config._attn_implementation == "sdpa"
    assert load(torch.bfloat16, attn_implementation="eager").config._attn_implementation == "eager"
    changed = load(torch.bfloat16)
    assert changed.config._attn_implementation == NAME
    changed.save_pretrained(tmp_path)
    assert NAME not in (tmp_path / "config.json").read_text(), "what is saved is of any machine"


def test_a_bfloat16_policys_log_probs_and_gradients_are_near_those_of_float32(tiny_model):
    found = []
    for dtype in ("float32", "bfloat16"):
        torch.manual_seed(1)
        settings = tiny.settings(tiny_model).model_copy(update={"dtype": dtype})
        policy, tokenizer = load_policy(settings, torch.device("cpu"))
        module = ActorCritic(policy, Heads(16, 8, 3)).eval()
        outputs = module(**tiny.rollouts(tokenizer).inputs)
        outputs.logprobs.sum().backward()
        found.append([outputs.logprobs.detach(), *(p.grad for p in policy.parameters() if p.grad is not None)])
    assert len(found[0]) == len(found[1]) > 8
    for exact, ours in zip(*found, strict=True):
        assert (ours - exact).norm() <= 0.1 * exact.norm() + 1e-6
