"""Rewards-in-Context on a tiny model: what it learns from, what it leaves, what other weights take from it."""

from __future__ import annotations

import copy
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer
from trl import SFTTrainer

import tiny
from lenity.config.load import parse
from lenity.errors import CheckpointError, DataError
from lenity.evaluation.score import evaluate
from lenity.finetuning.supervised import IGNORED
from lenity.methods import context_training, train
from lenity.methods.examples import Examples, encode
from lenity.methods.score_scale import Scale
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.toy.examples import pairs
from lenity.toy.prompts import ToyPrompts
from lenity.training.setup import load_world


def method(folder, **changes):
    file = folder / "pairs.jsonl"
    rows = pairs(ToyPrompts(count=30).read()[0], "helpful", 40, seed=0)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    online = {"samples": 24, "steps": 3, "learning_rate": 1e-3}
    offline = {"pairs": {"dataset": str(file)}, "steps": 4, "learning_rate": 1e-2}
    return {"type": "ric", "offline": offline, "online": online, "batch_size": 8} | changes


@pytest.fixture(scope="module")
def straight(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ric")
    return train(tiny.run_config(tiny_model, folder / "run", method=method(folder)))


def adapter(run):
    return load_file(run.adapter / "adapter_model.safetensors")


def test_both_stages_are_recorded(straight):
    offline, online = straight.metrics()
    assert (offline["stage"], offline["examples"], offline["tokens"], offline["reward_calls"]) == (
        "offline",
        80,
        0,
        160,
    )
    assert offline["kept"] == offline["rows"] == 80, "chosen and rejected both"
    assert (online["stage"], online["examples"], online["backward_passes"]) == ("online", 24, 3)
    assert 0 < online["tokens"] <= 24 * 6 and online["kept"] > 0.3 * 24
    assert offline["standardised"]["helpful"] == pytest.approx(0, abs=1e-9)
    assert straight.finished and (straight.path / "README.md").is_file()
    samples = [json.loads(line) for line in (straight.path / "samples.jsonl").read_text().splitlines()]
    assert {sample["prompt"] for sample in samples if sample["iteration"] == 2} <= set(ToyPrompts(count=40).read()[0])


def test_scores_are_standardised_over_the_offline_examples(straight):
    scale, examples = Scale.load(straight), Examples.load(straight.path / "offline.parquet")
    scores = scale.apply(examples.raw)
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(scores.std(0, ddof=1), 1)
    np.testing.assert_allclose(np.array(scale.ranges), np.stack([scores.min(0), scores.max(0)], 1))


def test_a_run_stopped_between_the_stages_goes_on_as_if_it_were_not(straight, tiny_model, tmp_path):
    cut = RunFolder(shutil.copytree(straight.path, tmp_path / "run"))
    shutil.rmtree(cut.adapter)
    shutil.rmtree(cut.path / "stages" / "2")
    cut.truncate(1)
    again = train(straight.config.model_copy(update={"output": str(cut.path)}), resume=True)
    torch.testing.assert_close(adapter(again), adapter(straight), rtol=0, atol=0)


class KilledError(Exception):
    """In place of SIGKILL: nothing after it runs."""


def kill_in(monkeypatch, seed, step):
    """End the process, as it were, in a step of the stage whose training has this seed."""
    plain = SFTTrainer.training_step

    def training_step(self, *arguments, **options):
        if self.args.seed == seed and self.state.global_step == step:
            raise KilledError
        return plain(self, *arguments, **options)

    monkeypatch.setattr(SFTTrainer, "training_step", training_step)


@pytest.fixture
def saves_each_step(monkeypatch):
    settings = context_training.Optimisation
    monkeypatch.setattr(context_training, "Optimisation", lambda **fields: settings(checkpoint_every=1, **fields))


@pytest.mark.parametrize(("stage", "step"), [(0, 3), (1, 2)])
def test_a_run_stopped_within_a_stage_goes_on_as_if_it_were_not(
    tiny_model, tmp_path, monkeypatch, saves_each_step, stage, step
):
    straight = train(tiny.run_config(tiny_model, tmp_path / "straight", method=method(tmp_path)))
    config = tiny.run_config(tiny_model, tmp_path / "cut", method=method(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_in(patch, config.seed + stage, step)
        train(config)
    seen = []
    plain = SFTTrainer.training_step
    monkeypatch.setattr(
        SFTTrainer, "training_step", lambda self, *a, **o: (seen.append(self.args.seed), plain(self, *a, **o))[1]
    )
    again = train(config, resume=True)
    assert seen.count(config.seed + stage) == straight.metrics()[stage]["backward_passes"] - step
    torch.testing.assert_close(adapter(again), adapter(straight), rtol=0, atol=0)
    assert [row["loss"] for row in again.metrics()] == [row["loss"] for row in straight.metrics()]
    assert not (again.path / "stages" / "trainer").exists()


def test_a_stage_whose_steps_are_others_now_begins_again(tiny_model, tmp_path, monkeypatch, saves_each_step):
    config = tiny.run_config(tiny_model, tmp_path / "run", method=method(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_in(patch, config.seed + 1, 2)
        train(config)
    data = config.dump()
    data["method"]["online"]["steps"] = 5
    again = train(parse(RunConfig, data), resume=True, allow_changes=True)
    assert [row["backward_passes"] for row in again.metrics()] == [4, 5]
    assert "starts again: " in (again.path / "notes.log").read_text()


def test_trackers_get_the_row_of_each_stage(tiny_model, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = tiny.run_config(
        tiny_model, tmp_path / "run", method=method(tmp_path), logging={"progress": False, "trackers": ["tensorboard"]}
    )
    rows = train(config).metrics()
    events = EventAccumulator(str(next((tmp_path / "run").rglob("*tfevents*")).parent)).Reload()
    for name, wanted in {
        "loss": [row["loss"] for row in rows],
        "reward/helpful": [row["reward"]["helpful"] for row in rows],
    }.items():
        assert [event.step for event in events.Scalars(name)] == [1, 2]
        assert [event.value for event in events.Scalars(name)] == pytest.approx(wanted)


@pytest.mark.parametrize("part", ["offline", "rewards", "rounds", "online"])
def test_a_change_of_what_is_done_is_refused_and_of_what_is_left_takes_effect(straight, tmp_path, part):
    cut = RunFolder(shutil.copytree(straight.path, tmp_path / "run"))
    shutil.rmtree(cut.adapter)
    if part != "rounds":
        shutil.rmtree(cut.path / "stages" / "2")
        cut.truncate(1)
    data = straight.config.dump() | {"output": str(cut.path)}
    if part == "rewards":
        (cut.path / "standardisation.json").unlink()  # the scores of the offline examples stay
        data["rewards"]["helpful"]["sign"] = -1
    else:
        name, change = {
            "offline": ("offline", {"steps": 9}),
            "rounds": ("online", {"steps": 5}),
            "online": ("online", {"steps": 5}),
        }[part]
        data["method"][name] |= change
    if part == "online":
        again = train(parse(RunConfig, data), resume=True, allow_changes=True)
        assert [row["backward_passes"] for row in again.metrics()][1] == 5
        return
    with pytest.raises(CheckpointError, match=r"(method\.o|rewards\.helpful\.sign).* \(this stage is done\)"):
        train(parse(RunConfig, data), resume=True, allow_changes=True)
    assert RunFolder(cut.path).config == straight.config


def test_other_weights_take_the_adapter_and_ask_for_other_scores(straight, tiny_model, tmp_path):
    taken = method(straight.path.parent, source=str(straight.path))
    config = tiny.run_config(tiny_model, tmp_path / "run", method=taken, weights={"helpful": 1.0, "harmless": 0.0})
    run = train(config)
    torch.testing.assert_close(adapter(run), adapter(straight), rtol=0, atol=0)
    assert not run.metrics()
    prompt = "\n\nHuman: hello\n\nAssistant:"
    (_low, high), (least, _) = Scale.load(run).ranges
    assert run.config.method.shown([prompt], run) == [
        f"\n\nHuman: hello <rm1_score> {high:.1f} <rm2_score> {least:.1f}\n\nAssistant:"
    ]
    frame = evaluate(run)
    assert set(frame["prompt"]) and not frame["prompt"].str.contains("_score>").any(), (
        "rewards see the prompt as it was"
    )


def test_an_unfinished_source_is_refused(tiny_model, tmp_path):
    (tmp_path / "none").mkdir()
    taken = method(tmp_path, source=str(tmp_path / "none"))
    with pytest.raises(CheckpointError):
        train(tiny.run_config(tiny_model, tmp_path / "run", method=taken))


def test_without_pairs_the_reference_policy_answers_and_the_budget_holds(tiny_model, tmp_path):
    own = {"type": "ric", "offline": {"steps": 2}, "online": {"samples": 500, "steps": 2}, "batch_size": 4}
    settings = {"rollout": {"batch_size": 8, "max_new_tokens": 6, "generation_batch_size": 10}}
    run = train(tiny.run_config(tiny_model, tmp_path / "run", method=own, budget={"tokens": 600}, **settings))
    offline, online = run.metrics()
    assert offline["examples"] == 80 and offline["tokens"] > 300
    assert 600 <= offline["tokens"] + online["tokens"] < 600 + 10 * 6


def test_a_budget_that_the_offline_stage_spends_ends_the_run_whole(tiny_model, tmp_path):
    own = {"type": "ric", "offline": {"steps": 1}, "online": {"samples": 8, "steps": 1}, "batch_size": 4}
    settings = {"rollout": {"batch_size": 8, "max_new_tokens": 6, "generation_batch_size": 10}}
    run = train(tiny.run_config(tiny_model, tmp_path / "run", method=own, budget={"tokens": 30}, **settings))
    assert [row["stage"] for row in run.metrics()] == ["offline"]
    assert run.finished and 30 <= run.tokens() < 30 + 10 * 6


def test_the_loss_is_on_the_response_and_its_end_alone(tiny_model):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    examples = Examples(["p"] * 3, [" sure find it", " sure", " find " * 30], [True, False, True], np.zeros((3, 1)))
    shown = ["\n\nHuman: hello <rm1_score> 0.5\n\nAssistant:"] * 3
    first, second = encode(tokenizer, shown, examples, 24)
    prompt = tokenizer(shown[0])["input_ids"]
    answer = [*tokenizer(" sure find it")["input_ids"], tokenizer.eos_token_id]
    assert first == {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}
    assert second["input_ids"][-1] != tokenizer.eos_token_id, "a response cut off has no end to learn"
    with pytest.raises(DataError, match=r"max_length is 8"):
        encode(tokenizer, shown, examples, 8)


def tokens_of(tokenizer):
    """All that a fine-tuning could overwrite."""
    special = dict(tokenizer.special_tokens_map), tokenizer.all_special_ids, tokenizer.added_tokens_decoder
    return tokenizer.get_vocab(), *special, tokenizer.padding_side, tokenizer.chat_template


def test_training_leaves_the_tokenizer_as_it_was(tiny_model, tmp_path, monkeypatch):
    seen = []

    def load(config, device):
        world = load_world(config, device)
        seen.append((world.tokenizer, copy.deepcopy(tokens_of(world.tokenizer))))
        return world

    monkeypatch.setattr(context_training, "load_world", load)
    run = train(tiny.run_config(tiny_model, tmp_path / "run", method=method(tmp_path)))
    tokenizer, before = seen[-1]
    assert tokens_of(tokenizer) == before
    assert before[1] == {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    assert not (run.adapter / "tokenizer_config.json").exists()
