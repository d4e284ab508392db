"""Generation: masks, ends, stop strings, seeds."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

import tiny
from lenity.rollout.stops import tokens_with
from lenity.rollout.transformers import TransformersGenerator, generate_texts

PROMPTS = [
    "\n\nHuman: sure sure\n\nAssistant:",
    "\n\nHuman: sure\n\nAssistant:",
    "\n\nHuman: sure sure sure\n\nAssistant:",
]


@pytest.fixture
def policy(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    return module.policy, tokenizer


def test_tokens_mask_and_text_agree(policy):
    model, tokenizer = policy
    torch.manual_seed(0)
    batch = TransformersGenerator(model, tokenizer, max_new_tokens=7, batch_size=2).generate(PROMPTS * 4)
    assert [prompt.text for prompt in batch.prompts] == PROMPTS * 4
    for row in range(len(batch)):
        real = batch.response_mask[row]
        length = int(real.sum())
        assert 1 <= length <= 7 and bool(real[:length].all())
        tokens = batch.response_ids[row][:length].tolist()
        assert (tokens[-1] == tokenizer.eos_token_id) == bool(batch.finished[row])
        assert tokenizer.eos_token_id not in tokens[:-1]
        words = tokenizer.decode(tokens, skip_special_tokens=True)
        assert batch.responses[row] == (f" {words}" if words else "")  # joined to the prompt, it tokenises as it was
        assert tokenizer.decode(batch.prompt_ids[row][batch.prompt_mask[row]]) == " ".join(PROMPTS[row % 3].split())


def test_greedy_is_the_plain_argmax(policy):
    model, tokenizer = policy
    found = generate_texts(model, tokenizer, PROMPTS, max_new_tokens=5, min_new_tokens=0, temperature=0)
    for prompt, response in zip(PROMPTS, found, strict=True):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        for _ in range(5):
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], 1)
            if ids[0, -1] == tokenizer.eos_token_id:
                break
        wanted = ids[0, len(tokenizer(prompt)["input_ids"]) :]
        assert response.text.strip() == tokenizer.decode(wanted, skip_special_tokens=True)
        assert response.tokens == len(wanted)


def test_same_seed_same_texts_and_the_callers_state_is_kept(policy):
    model, tokenizer = policy
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second, other = (generate_texts(model, tokenizer, PROMPTS, max_new_tokens=6, seed=s) for s in (5, 5, 6))
    assert torch.equal(torch.rand(1), expected)
    assert first == second != other


def test_the_models_own_habits_do_not_change_what_is_sampled(policy, tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    habits = {
        "eos_token_id": 2,
        "repetition_penalty": 9.0,
        "top_k": 1,
        "temperature": 0.1,
        "top_p": 0.2,
        "do_sample": True,
    }
    (copy / "generation_config.json").write_text(json.dumps(habits))
    tokenizer = policy[1]
    plain, _ = tiny.actor_critic(tiny_model, randomised=False)
    other, _ = tiny.actor_critic(copy, randomised=False)
    texts = [generate_texts(each.policy, tokenizer, PROMPTS * 8, max_new_tokens=6, seed=1) for each in (plain, other)]
    assert texts[0] == texts[1]


def test_every_token_that_can_complete_a_stop_string_is_looked_at(policy):
    tokenizer = policy[1]
    found = tokens_with(tokenizer, "k:")
    words = {token: text for text, token in tokenizer.get_vocab().items()}
    assert found == {token for token, text in words.items() if {"k", ":", "\ufffd"} & set(text)} and len(found) > 3
    assert tokens_with(tokenizer, "") == frozenset()


def test_a_stop_string_ends_the_response_before_itself(policy):
    model, tokenizer = policy
    plain = generate_texts(model, tokenizer, PROMPTS, max_new_tokens=6, min_new_tokens=6, seed=1)
    words = plain[0].text.split()
    stop = next(word for word in words[1:] if word not in words[0])
    found = generate_texts(model, tokenizer, PROMPTS, max_new_tokens=6, min_new_tokens=6, seed=1, stop=(stop,))[0]
    at = plain[0].text.find(stop)
    assert found.text == plain[0].text[:at]
    assert found.finished and found.tokens == len(plain[0].text[: at + len(stop)].split())
