"""Whole runs in this process: rewards move, options work, an adapter can be the policy."""

from __future__ import annotations

import re
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import tiny
from faults.same import assert_same
from lenity.errors import CheckpointError, RewardError
from lenity.evaluation import table
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.runs.folder import RunFolder
from lenity.training.constants import calibrate


def long_words(prompts, responses):
    """Letters a word: an untrained model of any initial weights is far from the longest."""
    return [sum(map(len, text.split())) / (len(text.split()) or 1) for text in responses]


def test_training_raises_the_rewards(tiny_model, tmp_path):
    """Both objectives can rise together here: long words that start early in the alphabet."""
    changes = {
        "iterations": 20,
        "rollout": {"batch_size": 64, "max_new_tokens": 6},
        "ppo": {"epochs": 2, "mini_batch_size": 16, "accumulation": 1},
        "optimizer": {"learning_rate": 2e-2, "warmup_steps": 2},
        "kl": {"kind": "fixed", "coefficient": 0.0},
        "held_out_prompts": {"type": "toy", "split": "test", "count": 60},
        "evaluation": {"limit": 60},
        "rewards": {
            "helpful": {"type": "function", "function": f"{__file__}:long_words"},
            "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
        },
    }
    run = train(tiny.run_config(tiny_model, tmp_path / "run", **changes))
    for change in table.changes(evaluate(run)):
        assert change.verdict == "better", change
    assert run.metrics()[-1]["kl"] > 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {"critic": {"kind": "separate", "hidden_size": 8}},
        {"policy_dtype": "bfloat16"},
        {"ppo": {"epochs": 1, "mini_batch_size": 3, "accumulation": 2, "value_clip": None, "normalise": "scale_only", "whiten": False}},
        {"method": {"type": "plc", "gate": "net", "schedule": "cosine"}, "kl": {"kind": "fixed", "coefficient": 0.1}},
        {"logging": {"trackers": ["tensorboard"], "progress": False, "samples": 0}},
    ],
    ids=["separate critic", "bfloat16", "odd sizes", "net gate", "tensorboard"],
)  # fmt: skip
def test_options(tiny_model, tmp_path, changes):
    config = tiny.run_config(tiny_model, tmp_path / "run", **{k: v for k, v in changes.items() if k != "policy_dtype"})
    if dtype := changes.get("policy_dtype"):
        config = config.model_copy(update={"policy": config.policy.model_copy(update={"dtype": dtype})})
    run = train(config)
    assert run.finished and all(
        torch.isfinite(torch.tensor(list(row["reward"].values()))).all() for row in run.metrics()
    )
    assert bool(list(run.path.rglob("events.out*"))) == ("trackers" in str(changes))


def test_an_adapter_as_the_policy_is_merged_first(tiny_model, tmp_path):
    first = train(tiny.run_config(tiny_model, tmp_path / "first", iterations=1))
    second = train(tiny.run_config(first.adapter, tmp_path / "second", iterations=1))
    base = AutoModelForCausalLM.from_pretrained(second.path / "base")
    merged = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_model), first.adapter
    ).merge_and_unload()
    for (name, ours), theirs in zip(base.named_parameters(), merged.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)
    PeftModel.from_pretrained(base, second.adapter)
    assert len(evaluate(second)) == 2 * 2 * 12


def test_calibration_is_done_once_and_frozen(tiny_model, tmp_path):
    shared = tmp_path / "shared.json"
    config = tiny.run_config(tiny_model, tmp_path / "run", standardisation={"prompts": 32, "file": str(shared)})
    first = calibrate(config, shared)
    assert calibrate(config.model_copy(update={"seed": 9}), shared) == first
    assert train(config).standardiser() == first == RunFolder(tmp_path / "run").standardiser()
    own = train(tiny.run_config(tiny_model, tmp_path / "own"))
    assert own.standardiser() == first, "the same responses, in a run or before a sweep"


def test_constants_of_other_rewards_are_refused(tiny_model, tmp_path):
    (tmp_path / "other.json").write_text('{"helpful": {"mean": 0, "std": 1, "n": 2}}')
    with pytest.raises(CheckpointError, match=r"no constants for \['harmless'\]"):
        train(tiny.run_config(tiny_model, tmp_path / "run", standardisation={"file": str(tmp_path / "other.json")}))


def test_a_reward_that_breaks_in_the_middle_loses_nothing(tiny_model, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "calls = 0\n\ndef breaks(prompts, responses):\n    global calls\n    calls += 1\n"
        "    return [float('nan') if calls > 3 else float(len(r)) for r in responses]\n"
    )
    rewards = {
        "helpful": {"type": "function", "function": f"{file}:breaks"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    config = tiny.run_config(tiny_model, tmp_path / "run", rewards=rewards, iterations=4)
    with pytest.raises(RewardError, match="is not a finite number"):
        train(config)
    assert len(RunFolder(tmp_path / "run").metrics()) == 2
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == [
        "iteration_000001",
        "iteration_000002",
    ]
    file.write_text("def breaks(prompts, responses):\n    return [float(len(r)) for r in responses]\n")
    assert train(config, resume=True).finished


def test_a_token_budget_ends_the_run_early_and_whole(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "run", iterations=9, budget={"tokens": 60}, checkpoint={"every": 5})
    run = train(config)
    tokens = [row["tokens"] for row in run.metrics()]
    assert run.finished and len(tokens) < 9 and sum(tokens[:-1]) < 60 <= sum(tokens) == run.tokens()
    assert [p.name for p in run.checkpoints.iterdir()] == [f"iteration_{len(tokens):06d}"]
    assert {row["reward_calls"] for row in run.metrics()} == {8 * 2}
    longer = config.model_copy(update={"budget": config.budget.model_copy(update={"tokens": 120})})
    more = train(longer, resume=True, allow_changes=True)
    assert more.finished and more.tokens() >= 120


@pytest.mark.parametrize("checkpoint", [1, 5])
def test_a_spent_budget_trains_nothing_more_on_resume(tiny_model, tmp_path, checkpoint):
    """The adapter alone was lost, as where the run was stopped between its last checkpoint and its end."""
    changes = {"iterations": 9, "budget": {"tokens": 60}, "checkpoint": {"every": checkpoint}}
    config = tiny.run_config(tiny_model, tmp_path / "run", **changes)
    run = train(config)
    rows, before = run.metrics(), load_file(run.adapter / "adapter_model.safetensors")
    shutil.rmtree(run.adapter)
    again = train(config, resume=True)
    assert again.finished and again.metrics() == rows
    after = load_file(again.adapter / "adapter_model.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items())


DRAWS = """
import random
import numpy, torch
def draws(prompts, responses):
    return [random.random() + numpy.random.rand() + float(torch.rand(())) for _ in responses]
"""


def test_a_reward_that_draws_at_random_repeats_after_a_crash(tiny_model, tmp_path):
    (tmp_path / "mine.py").write_text(DRAWS)
    rewards = {
        "helpful": {"type": "function", "function": f"{tmp_path / 'mine.py'}:draws"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    straight, cut = (
        train(tiny.run_config(tiny_model, tmp_path / name, rewards=rewards)) for name in ("straight", "cut")
    )
    shutil.rmtree(cut.adapter)
    shutil.rmtree(cut.checkpoints / "iteration_000003")
    assert_same(train(cut.config, resume=True), straight)
    assert len({row["reward"]["helpful"] for row in straight.metrics()}) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs a C++ compiler")
def test_a_compiled_run_says_what_compiling_took(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "run", iterations=2)
    config = config.model_copy(update={"policy": config.policy.model_copy(update={"compile": True})})
    run = train(config)
    notes = (run.path / "notes.log").read_text()
    assert re.search(
        r"policy\.compile took about \d+ s: the first iteration needed [\d.]+ s, the second [\d.]+ s\.", notes
    )
