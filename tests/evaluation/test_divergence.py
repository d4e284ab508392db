"""The divergence against a slow twin, one token at a time."""

from dataclasses import dataclass

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from lenity.evaluation.divergence import log_ratios


@dataclass
class Answer:
    text: str
    finished: bool


class Letters:
    """One token a character."""

    pad_token_id, eos_token_id = 0, 1

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [ord(letter) - 95 for letter in text]}


def test_log_ratios_match_one_token_at_a_time():
    torch.manual_seed(0)
    shape = LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
    model = get_peft_model(
        LlamaForCausalLM(shape), LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    )
    prompts, answers = ["abc", "f"], [Answer("de", True), Answer("ghij", False)]
    found = log_ratios(model, Letters(), prompts, prompts, answers, batch_size=2)

    def log_prob(before, token):
        return torch.log_softmax(model(torch.tensor([before])).logits[0, -1], -1)[token].item()

    for prompt, answer, value in zip(prompts, answers, found, strict=True):
        ids, total = Letters()(prompt)["input_ids"], 0.0
        for token in Letters()(answer.text)["input_ids"] + [1] * answer.finished:
            with torch.no_grad():
                total += log_prob(ids, token)
                with model.disable_adapter():
                    total -= log_prob(ids, token)
            ids = [*ids, token]
        assert value == pytest.approx(total, abs=1e-4)
