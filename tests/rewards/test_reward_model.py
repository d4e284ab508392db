"""Reward models against plain transformers, one text at a time."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

import tiny
from lenity.errors import ConfigError, RewardError
from lenity.rewards.asking import ask
from lenity.rewards.base import REWARDS
from lenity.rewards.reward_model import RewardModelSpec
from lenity.rewards.standardise import Standardiser
from lenity.toy.training import make_tokenizer

PROMPTS = ["\n\nHuman: sure\n\nAssistant:", "\n\nHuman: sure sure sure\n\nAssistant:", "\n\nHuman: but\n\nAssistant:"]
RESPONSES = [" like dancing ducks", " sorry", " sure but instead find a guide safely"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained classifier of three outputs."""
    torch.manual_seed(0)
    tokenizer, path = make_tokenizer(), tmp_path_factory.mktemp("reward")
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        pad_token_id=tokenizer.pad_token_id, num_labels=3,
    )  # fmt: skip
    model = LlamaForSequenceClassification(config)
    with torch.no_grad():
        model.score.weight.mul_(20)
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def by_hand(folder, texts, label, probability=False):
    """Scores without padding or batches; each text is a tuple of what the tokenizer is given."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    found = []
    for text in texts:
        with torch.no_grad():
            logits = model(**tokenizer(*text, return_tensors="pt")).logits[0]
        found.append(float((torch.softmax(logits, -1) if probability else logits)[label]))
    return found


@pytest.mark.parametrize("template", ["pair", "transcript", "response"])
@pytest.mark.parametrize("output", ["logit", "probability"])
@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_scores_are_those_of_plain_transformers(folder, template, output, batch_size):
    spec = RewardModelSpec(model=str(folder), template=template, label=2, output=output, batch_size=batch_size, sign=-1)
    texts = {
        "pair": list(zip(PROMPTS, RESPONSES, strict=True)),
        "transcript": [(p + r,) for p, r in zip(PROMPTS, RESPONSES, strict=True)],
        "response": [(r.strip(),) for r in RESPONSES],
    }[template]
    wanted = [-x for x in by_hand(folder, texts, 2, output == "probability")]
    assert spec.load(CPU).score(PROMPTS, RESPONSES) == pytest.approx(wanted, abs=1e-5)


def test_what_is_said_twice_is_scored_once(folder, monkeypatch):
    reward = RewardModelSpec(model=str(folder), label=2, batch_size=2).load(CPU)
    seen, plain = [], type(reward)._outputs

    def outputs(self, batch):
        seen.append(len(batch["input_ids"]))
        return plain(self, batch)

    monkeypatch.setattr(type(reward), "_outputs", outputs)
    order = [0, 1, 0, 2, 1, 0]
    scores = reward.score([PROMPTS[i] for i in order], [RESPONSES[i] for i in order])
    assert sum(seen) == 3
    assert [scores.index(scores[at]) for at in range(6)] == [0, 1, 0, 3, 1, 0]


def test_bfloat16_is_chosen_by_the_field_and_close(folder):
    half, full = (RewardModelSpec(model=str(folder), label=2, dtype=dtype).load(CPU) for dtype in ("bfloat16", "auto"))
    assert (half.model.dtype, full.model.dtype) == (torch.bfloat16, torch.float32)
    scores = half.score(PROMPTS, RESPONSES), full.score(PROMPTS, RESPONSES)
    assert scores[0] != scores[1] and scores[0] == pytest.approx(scores[1], rel=0.1, abs=0.1)


def test_a_long_text_loses_its_beginning(folder):
    reward = RewardModelSpec(model=str(folder), label=0, max_length=8).load(CPU)
    long = ["\n\nHuman: " + "but " * 40 + "\n\nAssistant:"]
    words = (long[0] + RESPONSES[2]).split()
    assert reward.score(long, [RESPONSES[2]]) == pytest.approx(by_hand(folder, [(" ".join(words[-8:]),)], 0), abs=1e-5)


def test_settings_beside_the_weights_are_the_defaults(folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "lenity_reward.json").write_text(json.dumps({"template": "response", "label": 1, "output": "probability"}))
    stored = RewardModelSpec(model=str(copy)).load(CPU)
    assert (stored.template, stored.label, stored.probability) == ("response", 1, True)
    named = RewardModelSpec(model=str(copy), template="pair", label=2, output="logit").load(CPU)
    assert (named.template, named.label, named.probability) == ("pair", 2, False)


def test_prompt_lengths(folder):
    assert RewardModelSpec(model=str(folder), label=0).load(CPU).prompt_tokens(PROMPTS) == [3, 5, 3]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "it has 3 outputs"),
        ({"label": 3}, "label of reward model .* is 3"),
        ({"model": "./no/such", "label": 0}, "a folder that does not exist"),
    ],
)
def test_bad_settings_are_explained(folder, fields, message):
    with pytest.raises(RewardError, match=message):
        RewardModelSpec(**{"model": str(folder)} | fields).load(CPU)


def test_a_model_without_a_trained_head_is_refused(tiny_model):
    with pytest.raises(RewardError, match="no trained weights for score"):
        RewardModelSpec(model=str(tiny_model), label=0).load(CPU)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(RewardError, match=r"has no config\.json"):
        RewardModelSpec(model=str(tmp_path)).load(CPU)


def test_a_score_that_is_not_finite_is_none(folder):
    reward = RewardModelSpec(model=str(folder), label=0).load(CPU)
    with torch.no_grad():
        reward.model.score.weight.fill_(float("nan"))
    assert [score.why for score in ask(reward, PROMPTS, RESPONSES)] == ["nan"] * 3


@pytest.mark.parametrize(
    ("kind", "template", "label"),
    [("gpt2-large-harmless", "pair", 0), ("gpt2-large-helpful", "pair", 0), ("humor-no-humor", "response", 1)],
)
def test_presets_read_a_local_copy_as_the_paper_does(folder, kind, template, label):
    reward = REWARDS[kind].model_validate({"model": str(folder)}).load(CPU)
    assert (reward.template, reward.label, reward.probability) == (template, label, False)


def test_an_unknown_kind_names_the_known(tmp_path):
    with pytest.raises(ConfigError, match="gpt2-large-harmless"):
        tiny.run_config("m", tmp_path, rewards={"helpful": {"type": "gpt2"}, "harmless": {"type": "gpt2"}})


def test_a_constant_reward_is_refused():
    with pytest.raises(RewardError, match="gave all 3 calibration responses the score 2"):
        Standardiser.fit({"helpful": [2.0, 2.0, 2.0]})


def test_standardised_calibration_scores_have_mean_0_and_std_1(tmp_path):
    scores = [1.0, 4.0, -2.0, 7.0]
    Standardiser.fit({"helpful": scores}).save(tmp_path / "constants.json")
    found = Standardiser.load(tmp_path / "constants.json").apply("helpful", scores)
    assert sum(found) == pytest.approx(0) and sum(x * x for x in found) / 3 == pytest.approx(1)
