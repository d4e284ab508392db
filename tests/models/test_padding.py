"""Runs with models whose last states are projected, whose padding token has no embedding, or that padding disturbs."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    FNetConfig,
    FNetForSequenceClassification,
    LlamaConfig,
    LlamaForSequenceClassification,
)  # fmt: skip

import families
import tiny
from lenity.config.load import parse
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.doctor.findings import judge
from lenity.doctor.measure import measure
from lenity.errors import EngineError, ModelError
from lenity.evaluation.score import evaluate
from lenity.finetuning import reward_models as reward_training
from lenity.finetuning import supervised as sft
from lenity.methods import train
from lenity.models.policy import load_policy
from lenity.rewards.reward_model import RewardModelSpec
from lenity.toy.training import make_tokenizer

CPU = torch.device("cpu")
EARLY = {name: {"type": "function", "function": f"{tiny.__file__}:harmless"} for name in ("helpful", "harmless")}
PROMPTS = ["\n\nHuman: sure\n\nAssistant:", "\n\nHuman: sure sure sure\n\nAssistant:", "\n\nHuman: but\n\nAssistant:"]
RESPONSES = [" like dancing ducks", " sorry", " sure but instead find a guide safely"]


def without_embedding(token, folder, load):
    """Give the tokenizer in ``folder`` a new padding or end token that the model there was not resized for."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({token: "<new>"})
    tokenizer.save_pretrained(folder)
    rows = load.from_pretrained(folder).get_input_embeddings().weight.shape[0]
    assert getattr(tokenizer, f"{token}_id") >= rows
    return folder


@pytest.mark.parametrize("kind", ["shared", "separate"])
def test_a_policy_that_projects_its_last_states_is_trained(tmp_path, kind):
    """OPT-350m: 1024 wide, of which 512 leave the last layer."""
    folder = families.save("opt", tmp_path / "model", make_tokenizer())
    rows = train(
        tiny.run_config(folder, tmp_path / "run", iterations=2, critic={"kind": kind, "hidden_size": 8})
    ).metrics()
    assert len(rows) == 2 and all(row["value_loss"] > 0 for row in rows)


def test_a_padding_token_without_an_embedding_is_never_fed(tmp_path):
    folder = tiny.save_model(tmp_path / "model")
    whole = train(tiny.run_config(folder, tmp_path / "whole", iterations=1)).metrics()
    without_embedding("pad_token", folder, AutoModelForCausalLM)
    _, tokenizer = load_policy(tiny.settings(folder), CPU)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    run = train(tiny.run_config(folder, tmp_path / "run", iterations=1))
    assert [row["reward"] for row in run.metrics()] == [row["reward"] for row in whole]
    assert len(evaluate(run, cache=tmp_path / "cache", progress=False))


def test_an_end_of_sequence_without_an_embedding_is_refused(tmp_path):
    folder = tiny.save_model(tmp_path / "model")
    without_embedding("eos_token", folder, AutoModelForCausalLM)
    with pytest.raises(ModelError, match=r"the end-of-sequence token of '.*' is \d+, but the model has \d+ embeddings"):
        load_policy(tiny.settings(folder), CPU)


@pytest.mark.parametrize(
    ("family", "how"), [("rwkv", "one by one"), ("xlstm", "in batches of prompts of equal length")]
)
def test_a_run_says_once_how_it_answers_prompts_that_padding_disturbs(tmp_path, family, how):
    folder = families.save(family, tmp_path / "model", make_tokenizer())
    config = tiny.run_config(folder, tmp_path / "run", iterations=2, standardisation={"prompts": 16}, rewards=EARLY)
    run = train(
        config.model_copy(update={"policy": config.policy.model_copy(update={"lora": targets(family, config)})})
    )
    said = (run.path / "notes.log").read_text()
    assert said.count(f"so they are generated {how}, which is slower.") == 1
    assert len(run.metrics()) == 2


def targets(family, config):
    names = {"rwkv": ["key", "value", "receptance"], "xlstm": ["q", "k", "v"]}
    return config.policy.lora.model_copy(update={"target_modules": names[family]})


def test_the_doctor_says_how_log_probs_and_prompts_are_taken(tmp_path):
    folder = families.save("xlstm", tmp_path / "model", make_tokenizer())
    config = tiny.run_config(folder, tmp_path / "run")
    config = config.model_copy(update={"policy": config.policy.model_copy(update={"lora": targets("xlstm", config)})})
    figures = measure(config, 4)
    assert (figures.policy.gap, figures.policy.batching) == (0, "equal")
    (found,) = [finding for finding in judge(figures) if finding.about == "policy"]
    assert found.level == "warning" and "in batches of prompts of equal length" in found.text


@pytest.mark.parametrize("family", ["bloom", "mpt", "rwkv", "mamba"])
def test_continuous_batching_that_would_answer_otherwise_is_refused_at_start(tmp_path, family):
    folder = families.save(family, tmp_path / "model", make_tokenizer())
    config = tiny.run_config(
        folder, tmp_path / "run", rollout={"engine": "continuous", "batch_size": 8, "max_new_tokens": 4}
    )
    names = {"rwkv": ["key"], "mamba": ["x_proj"]}.get(family, "all-linear")
    lora = config.policy.lora.model_copy(update={"target_modules": names})
    config = config.model_copy(update={"policy": config.policy.model_copy(update={"lora": lora})})
    with pytest.raises(EngineError, match=r"continuous.*Use rollout\.engine lenity"):
        train(config)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.fixture(scope="module")
def mixing(tmp_path_factory):
    """FNet mixes all tokens of a row, its padding too."""
    torch.manual_seed(0)
    tokenizer, path = make_tokenizer(), tmp_path_factory.mktemp("fnet")
    config = FNetConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=1,
    )
    model = FNetForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(20)
    model.save_pretrained(path)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(path)
    return path


def plain_scores(folder, texts):
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
    )
    with torch.no_grad():
        return [float(model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, 0]) for text in texts]


def test_a_reward_model_that_reads_padding_scores_texts_of_equal_length_together(mixing):
    reward = RewardModelSpec(model=str(mixing)).load(CPU)
    assert reward.batching == "equal"
    texts = [prompt + response for prompt in PROMPTS for response in RESPONSES]
    found = reward.score([prompt for prompt in PROMPTS for _ in RESPONSES], RESPONSES * 3)
    assert found == pytest.approx(plain_scores(mixing, texts), abs=1e-5)


def test_a_reward_models_padding_token_without_an_embedding_is_never_fed(tmp_path):
    tokenizer = make_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), **families.COMMON, num_labels=1, pad_token_id=tokenizer.pad_token_id
    )
    torch.manual_seed(0)
    LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    texts = [prompt + response for prompt, response in zip(PROMPTS, RESPONSES, strict=True)]
    wanted = plain_scores(tmp_path, texts)
    without_embedding("pad_token", tmp_path, AutoModelForSequenceClassification)
    reward = RewardModelSpec(model=str(tmp_path)).load(CPU)
    assert reward.batching == "mixed"
    assert reward.score(PROMPTS, RESPONSES) == pytest.approx(wanted, abs=1e-5)


def test_fine_tuning_and_reward_training_do_not_feed_it_either(tmp_path):
    folder = without_embedding("pad_token", tiny.save_model(tmp_path / "model"), AutoModelForCausalLM)
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": p + r}) + "\n" for p in PROMPTS for r in RESPONSES))
    stage = {"model": str(folder), "max_steps": 2, "batch_size": 4, "progress": False}
    report = sft.run(parse(SFTConfig, stage | {"output": str(tmp_path / "sft"), "data": {"dataset": str(texts)}}))
    assert report["non_finite_steps"] == 0
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "".join(json.dumps({"chosen": p + RESPONSES[0], "rejected": p + RESPONSES[2]}) + "\n" for p in PROMPTS * 4)
    )
    report = reward_training.run(
        parse(RewardTrainingConfig, stage | {"output": str(tmp_path / "reward"), "pairs": {"dataset": str(pairs)}})
    )
    assert report["held_out_rows"] > 0
