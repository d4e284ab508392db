"""The decoding loop against a slow twin without a cache, and its draws against the distribution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import MambaConfig, MambaForCausalLM, TopPLogitsWarper

import tiny
from lenity.errors import NumericalError
from lenity.rollout import transformers
from lenity.rollout.decoding import Sampling, decode, decodes, draw
from lenity.rollout.draws import Draws
from lenity.rollout.stops import StopStrings
from lenity.rollout.transformers import TransformersGenerator, generate_texts

PROMPTS = ["\n\nHuman: " + "sure " * (i % 4 + 1) + "\n\nAssistant:" for i in range(9)]


def sampling(tokenizer, **changes):
    known = {"max_new_tokens": 12, "min_new_tokens": 1, "temperature": 1.0, "top_p": 1.0}
    ends = (tokenizer.eos_token_id, *range(20, 60))  # so many that rows end at unlike times
    return Sampling(**known | changes, ends=ends, pad=tokenizer.pad_token_id)


@pytest.fixture
def policy(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    return module.policy, tokenizer


def slowly(model, tokenizer, prompts, settings):
    """One row at a time over its whole text at every step, with the uniform numbers that the batch draws."""
    uniforms = [torch.rand(len(prompts), dtype=torch.float64) for _ in range(settings.max_new_tokens)]
    found = []
    for row, prompt in enumerate(prompts):
        ids, answer = tokenizer(prompt, return_tensors="pt")["input_ids"], []
        for at in range(settings.max_new_tokens):
            logits = model(input_ids=ids).logits[0, -1].double()
            if at < settings.min_new_tokens:
                logits[list(settings.ends)] = -torch.inf
            p = torch.softmax(logits / settings.temperature, -1).numpy()
            order = np.argsort(-p, kind="stable") if settings.top_p < 1 else np.arange(len(p))
            before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
            nucleus = order[before < settings.top_p] if settings.top_p < 1 else order
            place = np.searchsorted(np.cumsum(p[nucleus]), uniforms[at][row].item() * p[nucleus].sum(), side="right")
            answer.append(int(nucleus[min(place, len(nucleus) - 1)]))
            if answer[-1] in settings.ends:
                break
            ids = torch.cat([ids, torch.tensor([[answer[-1]]])], 1)
        found.append(answer)
    return found


@pytest.mark.parametrize("changes", [{}, {"temperature": 0.7, "min_new_tokens": 4}, {"top_p": 0.8}])
@torch.no_grad()
def test_tokens_are_those_of_the_slow_twin_whenever_rows_end(policy, changes):
    model, tokenizer = policy
    settings = sampling(tokenizer, **changes)
    encoded = tokenizer(PROMPTS, return_tensors="pt", padding=True)
    torch.manual_seed(3)
    draws = Draws.of(len(PROMPTS), settings.max_new_tokens)
    found = decode(
        model, encoded["input_ids"], encoded["attention_mask"].bool(), settings, StopStrings(tokenizer, ()), draws=draws
    )
    torch.manual_seed(3)
    expected = slowly(model, tokenizer, PROMPTS, settings)
    assert sum(len(row) < 12 for row in expected) > len(PROMPTS) // 2, "so many end early that rows leave the batch"
    for ours, slow in zip(found.tolist(), expected, strict=True):
        assert ours == slow + [settings.pad] * (settings.max_new_tokens - len(slow))


@given(
    st.lists(st.floats(-8, 8), min_size=2, max_size=30), st.floats(0.05, 1.0), st.floats(0, 1, exclude_max=True), st.floats(0.3, 2),
)  # fmt: skip
def test_a_draw_is_in_the_nucleus_of_transformers(logits, top_p, uniform, temperature):
    scores = torch.tensor([logits], dtype=torch.float32)
    token, finite = draw(scores, torch.tensor([uniform], dtype=torch.float64), temperature, top_p)
    kept = TopPLogitsWarper(top_p=min(top_p + 1e-4, 1.0))(None, scores / temperature)
    least = kept[0][kept[0].isfinite()].min() * temperature  # of equals, one may stand for another
    assert finite.all() and scores[0, token] >= least - 1e-6


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=12), st.integers(0, 2**32 - 1))
def test_draws_have_the_probabilities_of_the_distribution(masses, seed):
    """On evenly spread uniform numbers the counts are the probabilities, to one draw at each edge."""
    count = 4000
    p = torch.tensor(masses) / sum(masses)
    uniform = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    tokens, _ = draw(p.log().expand(count, -1), uniform[order], 1.0, 1.0)
    share = torch.bincount(tokens, minlength=len(p)) / count
    assert (share - p).abs().max() <= 1.01 / count


def test_a_token_without_probability_is_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]]).expand(4, -1)
    uniform = torch.tensor([0.0, 0.5 - 1e-12, 0.5, 1 - 2**-53], dtype=torch.float64)
    assert draw(logits, uniform, 1.0, 1.0)[0].tolist() == [1, 1, 3, 3]


def test_a_distribution_that_is_not_finite_is_named(policy):
    model, tokenizer = policy
    with torch.no_grad():
        model.get_base_model().lm_head.weight[5] = torch.nan
    with pytest.raises(NumericalError, match="not finite"):
        generate_texts(model, tokenizer, PROMPTS, max_new_tokens=4)


def test_both_ways_say_the_same_without_chance(policy, monkeypatch):
    model, tokenizer = policy
    settings = {"max_new_tokens": 10, "temperature": 0.0}
    words = generate_texts(model, tokenizer, PROMPTS, **settings)[0].text.split()
    settings["stop"] = (words[3],)
    ours = generate_texts(model, tokenizer, PROMPTS, **settings)
    monkeypatch.setattr(transformers, "decodes", lambda model: False)
    assert generate_texts(model, tokenizer, PROMPTS, **settings) == ours
    assert any(response.finished for response in ours)


def test_a_model_that_remembers_otherwise_is_left_to_its_own_generate(policy):
    model, tokenizer = policy
    assert decodes(model)
    config = MambaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, state_size=4, eos_token_id=tokenizer.eos_token_id
    )  # fmt: skip
    other = MambaForCausalLM(config).eval()
    assert not decodes(other)
    tokenizer.model_max_length = 10**9
    batch = TransformersGenerator(other, tokenizer, max_new_tokens=5).generate(PROMPTS)
    assert len(batch) == 9 and batch.response_mask.any(1).all()
