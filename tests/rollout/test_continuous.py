"""Continuous batching answers as our own decoding does, and says with which log-probs."""

from __future__ import annotations

import pytest
import torch

import tiny
from lenity.errors import DataError, EngineError, NumericalError
from lenity.methods import train
from lenity.rollout.continuous import ContinuousGenerator
from lenity.rollout.transformers import TransformersGenerator

PROMPTS = ["\n\nHuman: " + "sure " * n + "\n\nAssistant:" for n in (2, 1, 3, 5, 1)]


@pytest.fixture
def engine(tiny_model):
    """Makes the same settings into our own generator and into one with continuous batching."""
    module, tokenizer = tiny.actor_critic(tiny_model)

    def make(at_once=3, **settings):
        own = TransformersGenerator(module.policy, tokenizer, **{"max_new_tokens": 7, "stop": ()} | settings)
        return own, ContinuousGenerator(own.model, tokenizer, own.sampling(), own.stop, at_once), module

    return make


@pytest.mark.parametrize("settings", [{}, {"min_new_tokens": 0, "max_new_tokens": 2}])
def test_greedy_responses_are_ours(engine, settings):
    own, continuous, _ = engine(temperature=0.0, **settings)
    wanted, found = own.generate(PROMPTS), continuous.generate(PROMPTS)
    assert found.responses == wanted.responses
    for name in ("prompt_ids", "prompt_mask", "response_ids", "response_mask", "finished"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


def test_no_response_ends_too_early(engine):
    own, continuous, module = engine(temperature=0.0)
    likely = own.generate(PROMPTS).response_ids[0, 2].item()
    module.policy.generation_config.eos_token_id = likely
    own, continuous, _ = engine(temperature=0.0)
    assert int(own.generate(PROMPTS).response_mask.sum(1).min()) < 4
    own, continuous, _ = engine(temperature=0.0, min_new_tokens=4)
    found = continuous.generate(PROMPTS)
    assert torch.equal(found.response_ids, own.generate(PROMPTS).response_ids)
    assert int(found.response_mask.sum(1).min()) >= 4 and not bool((found.response_ids[:, :4] == likely).any())


def test_prompts_that_are_read_in_parts_are_answered_alike(engine, monkeypatch):
    monkeypatch.setattr("lenity.rollout.continuous.STEP", 3)
    own, continuous, _ = engine(at_once=2, temperature=0.0)
    assert torch.equal(continuous.generate(PROMPTS).response_ids, own.generate(PROMPTS).response_ids)


def test_a_model_that_it_does_not_know_is_an_error_of_the_engine(engine):
    _, continuous, module = engine()
    module.policy.get_base_model().config.layer_types = ["mystery", "mystery"]
    with pytest.raises(EngineError, match=r"does not run LlamaForCausalLM \(.*mystery"):
        continuous.generate(PROMPTS)


def test_a_failure_on_the_way_is_an_error_of_the_engine(engine, monkeypatch):
    def fail(self, requests):
        raise KeyError("lost")

    monkeypatch.setattr("lenity.rollout.continuous.NoEndYet.prepare_tensor_args", fail)
    _, continuous, _ = engine()
    with pytest.raises(EngineError, match=r"5 of 5 requests without a response \('lost'\)"):
        continuous.generate(PROMPTS)


def test_stop_strings_cut_where_ours_do(engine):
    own, _, _ = engine(temperature=0.0)
    words = own.generate(PROMPTS).responses[0].split()
    own, continuous, _ = engine(temperature=0.0, stop=(words[1],))
    wanted, found = own.generate(PROMPTS), continuous.generate(PROMPTS)
    assert found.responses == wanted.responses and torch.equal(found.response_ids, wanted.response_ids)
    assert bool(found.finished[0]) and words[1] not in found.responses[0]


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probs_are_those_of_the_trainer(engine, temperature):
    _, continuous, module = engine(temperature=temperature, min_new_tokens=0)
    torch.manual_seed(3)
    batch = continuous.generate(PROMPTS * 4)
    module.temperature = temperature
    with torch.no_grad():
        own = module(**batch.inputs).logprobs
    assert torch.allclose(batch.engine_logprobs, own, atol=1e-4)
    assert len({tuple(row) for row in batch.response_ids.tolist()}) > 10


def test_log_probs_are_of_the_distribution_that_was_drawn_from(engine):
    _, continuous, module = engine(top_p=0.6, min_new_tokens=2)
    torch.manual_seed(0)
    batch = continuous.generate(PROMPTS)
    ends = list(continuous.sampling.ends)
    for row in range(len(batch)):
        ids = batch.prompt_ids[row][batch.prompt_mask[row]].tolist()
        for at, token in enumerate(batch.response_ids[row][batch.response_mask[row]].tolist()):
            logits = module.policy(input_ids=torch.tensor([ids])).logits[0, -1].detach()
            if at < 2:
                logits[ends] = -torch.inf
            chances, order = logits.softmax(-1).sort(descending=True)
            nucleus = 1 + int((chances.cumsum(0) < 0.6).sum())
            kept = dict(
                zip(order[:nucleus].tolist(), (chances[:nucleus] / chances[:nucleus].sum()).tolist(), strict=True)
            )
            assert kept[token] == pytest.approx(float(batch.engine_logprobs[row, at].exp()), abs=1e-4)
            ids.append(token)


def test_the_same_random_state_gives_the_same_responses(engine):
    _, continuous, _ = engine()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(continuous.generate(PROMPTS * 3))
    assert torch.equal(found[0].response_ids, found[1].response_ids)
    assert torch.equal(found[0].engine_logprobs, found[1].engine_logprobs)
    assert found[0].responses != found[2].responses


def test_the_policy_is_left_as_it_was(engine):
    _, continuous, module = engine()
    base = module.policy.get_base_model()
    base.set_attn_implementation("eager")
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    continuous.generate(PROMPTS)
    assert base.config._attn_implementation == "eager"
    assert all(torch.equal(weight, before[name]) for name, weight in module.state_dict().items())


def test_a_prompt_without_room_is_refused(engine):
    _, continuous, _ = engine()
    with pytest.raises(DataError, match=r"longer than the model's window of 128"):
        continuous.generate(["sure " * 125])


def test_a_policy_without_probabilities_is_told_from_a_broken_engine(engine):
    _, continuous, module = engine()
    with torch.no_grad():
        next(module.policy.parameters()).fill_(torch.nan)
    with pytest.raises(NumericalError, match="probabilities of a next token are not finite"):
        continuous.generate(PROMPTS)
    assert module.policy.get_base_model().config._attn_implementation == "sdpa"


def test_a_run_trains_with_it_and_resumes_to_the_same_numbers(tiny_model, tmp_path, one_thread):
    rollout = {"engine": "continuous", "batch_size": 8, "max_new_tokens": 6, "min_new_tokens": 0}
    whole = tiny.run_config(tiny_model, tmp_path / "whole", rollout=rollout, iterations=2)
    rows = train(whole).metrics()
    assert all(row["engine_gap_max"] < 1e-3 and row["importance_capped"] == 0 for row in rows)
    half = replace_output(whole, tmp_path / "half", tokens=1)
    first = train(half).metrics()
    resumed = train(replace_output(whole, tmp_path / "half"), resume=True, allow_changes=True).metrics()
    assert len(first) == 1
    for ours, theirs in zip(resumed, rows, strict=True):
        assert {name: ours[name] for name in ("reward", "policy_loss", "engine_kl")} == {
            name: theirs[name] for name in ("reward", "policy_loss", "engine_kl")
        }


def replace_output(config, folder, tokens=None):
    return config.model_copy(
        update={"output": str(folder), "budget": config.budget.model_copy(update={"tokens": tokens})}
    )
