"""Columns of the data rows reach a function reward through the real command line, in training and evaluation, shared out too."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import tiny
from lenity.cli.main import cli
from scale.launched import launch

REWARD = """
def counts(prompts, completions, *, words, conversations, **columns):
    assert set(columns) == {"note"} and len(words) == len(prompts) == len(completions) == len(conversations)
    for prompt, wanted, messages, note in zip(prompts, words, conversations, columns["note"]):
        assert prompt.count("sure") == messages[-1]["content"].count("sure") == wanted, (prompt, wanted)
        assert note == (None if wanted % 2 else f"row {wanted}")
    return [wanted + len(text) / 1000 for wanted, text in zip(words, completions)]
"""


def rows(numbers):
    return "".join(
        json.dumps({"prompt": "sure " * n, "words": n, **({} if n % 2 else {"note": f"row {n}"})}) + "\n"
        for n in numbers
    )


def words_of(prompt):
    return prompt.count("sure")


def write(folder, model):
    """A configuration in ``folder``, with its data and its reward."""
    (folder / "train.jsonl").write_text(rows(range(1, 12)))
    (folder / "held_out.jsonl").write_text(rows(range(12, 21)))
    (folder / "mine.py").write_text(REWARD)
    changes = {
        "iterations": 2, "prompts": {"type": "columns", "dataset": "train.jsonl"},
        "held_out_prompts": {"type": "columns", "dataset": "held_out.jsonl"},
        "rewards": {
            "helpful": {"type": "function", "function": "mine.py:counts"},
            "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
        },
        "rollout": {"batch_size": 7, "max_new_tokens": 6}, "logging": {"samples": 7, "progress": False},
    }  # fmt: skip
    config = tiny.run_config(model, "run", **changes)
    (folder / "run.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_each_response_is_scored_with_the_columns_of_its_row(tiny_model, tmp_path, processes):
    write(tmp_path, tiny_model)
    launch("cpu_ddp", processes, "train", "run.yaml", cwd=tmp_path)
    samples = [json.loads(line) for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 14
    for sample in samples:
        assert sample["raw"]["helpful"] == pytest.approx(words_of(sample["prompt"]) + len(sample["response"]) / 1000)
    launch("cpu_ddp", processes, "evaluate", "run", cwd=tmp_path)
    frame = pd.read_parquet(tmp_path / "run" / "evaluation.parquet")
    own = frame[frame["objective"] == "helpful"]
    assert sorted(own["prompt"].map(words_of)) == sorted([*range(12, 21)] * 2) and set(own["policy"]) == {
        "reference",
        "aligned",
    }
    wanted = own["prompt"].map(words_of) + own["response"].map(len) / 1000
    assert own["raw"].tolist() == pytest.approx(wanted.tolist())


def test_a_column_that_is_not_there_is_told_before_anything_is_answered(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, tiny_model)
    (tmp_path / "train.jsonl").write_text(rows([2, 4]).replace("words", "count"))
    monkeypatch.setattr("lenity.rollout.transformers.TransformersGenerator.generate", None)
    result = CliRunner().invoke(cli, ["train", "run.yaml"])
    text = str(result.exception)
    assert "reward 'helpful' takes the column 'words', and prompts (train.jsonl (train)) has none" in text
    assert "its columns are ['count', 'note']" in text
