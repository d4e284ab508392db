"""Reward models from pairs and from labels, on data where the answer is known."""

from __future__ import annotations

import json
import random

import pytest
import torch

from lenity.config.load import parse
from lenity.config.stages import RewardTrainingConfig
from lenity.errors import ConfigError, RewardError
from lenity.finetuning import reward_models as reward_training
from lenity.rewards.reward_model import RewardModelSpec

SMALL = {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "max_position_embeddings": 64}
PROMPT = "\n\nHuman: Say something, number {}\n\nAssistant:"


def write(folder, rows):
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"dataset": str(folder / "rows.jsonl")}


def config(folder, **changes):
    data = {
        "output": str(folder / "out"),
        "model": SMALL,
        "progress": False,
        "batch_size": 16,
        "learning_rate": 1e-2,
        "epochs": 4,
    }
    return parse(RewardTrainingConfig, data | changes)


def pairs(count):
    """A good answer says yes, and is shorter as often as longer."""
    rng = random.Random(0)
    for i in range(count):
        filler = [" word" * rng.randrange(1, 4) for _ in range(2)]
        yield {"chosen": f"{PROMPT.format(i)} aye{filler[0]}", "rejected": f"{PROMPT.format(i)} nay{filler[1]}"}


@pytest.mark.parametrize("template", ["pair", "transcript", "response"])
def test_from_pairs(tmp_path, template):
    report = reward_training.run(config(tmp_path, pairs=write(tmp_path, pairs(200)), template=template))
    assert report["held_out_rows"] == 20 and report["rows"] == 180
    assert report["accuracy"] > 0.9 > 0.75 > report["longer_wins"] > 0.25
    assert report["accuracy_interval"][0] <= report["accuracy"] <= report["accuracy_interval"][1]
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    reward = RewardModelSpec(model=str(tmp_path / "out")).load(torch.device("cpu"))
    assert reward.template == template
    good, bad = reward.score([PROMPT.format(7)] * 2, [" aye word", " nay word"])
    assert good > bad


def test_from_labels(tmp_path):
    rows = [{"text": f"{'joke' if i % 2 else 'news'} number {i}", "label": i % 2} for i in range(200)]
    report = reward_training.run(config(tmp_path, labels=write(tmp_path, rows), template="response", label=0))
    assert report["accuracy"] > 0.9
    funny, dull = (
        RewardModelSpec(model=str(tmp_path / "out"))
        .load(torch.device("cpu"))
        .score(["", ""], ["joke number 7", "news number 7"])
    )
    assert dull > funny, "label 0 is the score"


def test_prompts_are_not_shared_between_training_and_held_out_rows():
    items = [reward_training.Pair(f"p{i % 10}", "a", str(i)) for i in range(40)]
    train, held_out = reward_training.split(items, 0.2)
    assert len(held_out) == 8 and not {item.prompt for item in train} & {item.prompt for item in held_out}


def test_neither_or_both_sources_are_refused(tmp_path):
    for changes in ({}, {"pairs": {"dataset": "x"}, "labels": {"dataset": "y"}}):
        with pytest.raises(ConfigError, match="exactly one of pairs and labels"):
            config(tmp_path, **changes)


def test_a_pair_template_for_a_model_with_token_types_is_refused(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    words = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no"])}
    core = Tokenizer(models.WordPiece(words, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = BertTokenizerFast(
        tokenizer_object=core, eos_token="[SEP]", model_input_names=["input_ids", "token_type_ids", "attention_mask"]
    )
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertForSequenceClassification(BertConfig(vocab_size=len(words), num_labels=2, **sizes)).save_pretrained(
        tmp_path / "bert"
    )
    tokenizer.save_pretrained(tmp_path / "bert")
    with pytest.raises(RewardError, match="Train with --template transcript"):
        reward_training.run(
            config(tmp_path, model=str(tmp_path / "bert"), pairs=write(tmp_path, pairs(20)), template="pair")
        )


def test_held_out_pairs_with_a_text_that_is_trained_on_are_left_out_and_counted(tmp_path):
    """The same pair, the pair turned round, and one of its texts beside another."""
    trained = list(pairs(20))
    first, second = trained[0], trained[1]
    other = {"chosen": f"{PROMPT.format(90)} aye", "rejected": f"{PROMPT.format(90)} nay"}
    turned = {"chosen": second["rejected"], "rejected": second["chosen"]}
    half = {"chosen": first["chosen"] + " ", "rejected": f"{PROMPT.format(0)} something else"}
    (tmp_path / "other").mkdir()
    found = config(
        tmp_path, pairs=write(tmp_path, trained), eval_pairs=write(tmp_path / "other", [first, turned, half, other])
    )
    rows, held_out, _, left_out = reward_training._rows(found)
    assert len(rows) == 20 and left_out == 3
    assert [row.chosen for row in held_out] == [" aye"]


def test_two_split_names_of_one_file_are_refused(tmp_path):
    source = write(tmp_path, list(pairs(4)))
    with pytest.raises(ConfigError, match=r"eval_pairs.split is 'test' and pairs.split 'train'"):
        reward_training.run(config(tmp_path, pairs=source, eval_pairs=source | {"split": "test"}))
