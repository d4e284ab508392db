"""The base of trainings outside the loop: interrupted at any step, resumed, and equal to the bit to one that was not."""

from __future__ import annotations

import json
import math
import signal

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer

from lenity.config.load import parse
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.errors import CheckpointError, ConfigError, NumericalError, StoppedError
from lenity.finetuning import reward_models, supervised
from lenity.storage.lock import locked

SMALL = {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "max_position_embeddings": 64}
PROMPT = "\n\nHuman: Say something, number {}\n\nAssistant:"
KINDS = ["sft", "sft with an adapter", "pairs", "labels"]
SETTINGS = {
    "batch_size": 4,
    "accumulation": 2,
    "max_steps": 12,
    "checkpoint_every": 2,
    "learning_rate": 1e-2,
    "warmup": 0.25,
}


class KilledError(Exception):
    """In place of SIGKILL: nothing after it runs."""


def rows(kind):
    if kind == "pairs":
        return [{"chosen": f"{PROMPT.format(i)} aye", "rejected": f"{PROMPT.format(i)} nay"} for i in range(40)]
    if kind == "labels":
        return [{"text": f"{'joke' if i % 2 else 'news'} number {i}", "label": i % 2} for i in range(40)]
    return [{"text": f"{PROMPT.format(i)} aye, {i} is the word"} for i in range(36)]


def run(folder, model, kind="sft with an adapter", *, resume=False, gently=False, data=None, **changes):
    """Train in ``folder/out`` on 36 rows: 5 optimizer steps of 8 rows per epoch, the last one of 4."""
    file = folder / "rows.jsonl"
    folder.mkdir(exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in data or rows(kind)))
    settings = {"output": str(folder / "out"), "model": SMALL, "progress": False, **SETTINGS}
    if kind == "sft with an adapter":  # whose dropout draws random numbers at each step
        settings |= {"model": str(model), "lora": {"r": 4, "alpha": 8, "dropout": 0.2}}
    if kind.startswith("sft"):
        config = parse(SFTConfig, settings | {"data": {"dataset": str(file)}} | changes)
        return supervised.run(config, resume=resume, gently=gently)
    config = parse(RewardTrainingConfig, settings | {kind: {"dataset": str(file)}} | changes)
    return reward_models.run(config, resume=resume, gently=gently)


def kill_in(monkeypatch, step):
    """End the process, as it were, in the forward pass of the optimizer step after ``step``."""
    plain = Trainer.training_step

    def training_step(self, *arguments, **options):
        if self.state.global_step == step:
            raise KilledError
        return plain(self, *arguments, **options)

    monkeypatch.setattr(Trainer, "training_step", training_step)


def weights(folder):
    return load_file(folder / "out" / "model.safetensors")


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def numbers(report):
    return {name: value for name, value in report.items() if name not in {"seconds", "data"}}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_and_resumed_is_the_same_to_the_bit(tmp_path, tiny_model, monkeypatch, kind):
    """Killed within an epoch, at the end of one, and before the first checkpoint of a session."""
    straight = run(tmp_path / "straight", tiny_model, kind)
    for step in (1, 5, 10, 11):
        with monkeypatch.context() as patch, pytest.raises(KilledError):
            kill_in(patch, step)
            run(tmp_path / "cut", tiny_model, kind, resume=True)
        there = [place.name for place in (tmp_path / "cut" / "out" / "checkpoints").glob("checkpoint-*")]
        assert there == ([f"checkpoint-{step // 2 * 2}"] if step > 1 else [])
    torch.manual_seed(99)  # a new process has another random state
    resumed = run(tmp_path / "cut", tiny_model, kind, resume=True)
    assert resumed["steps"] == 12 and numbers(resumed) == numbers(straight)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "straight"))
    assert not (tmp_path / "cut" / "out" / "checkpoints").exists()


def test_checkpoints_change_no_bit(tmp_path, tiny_model):
    often, never = (run(tmp_path / name, tiny_model, checkpoint_every=n) for name, n in (("often", 1), ("never", 99)))
    assert same(weights(tmp_path / "often"), weights(tmp_path / "never"))
    assert often["train_loss"] == pytest.approx(never["train_loss"], rel=1e-6)


@pytest.fixture
def cut(tmp_path, tiny_model, monkeypatch):
    """A training of an adapter, killed after its checkpoint of step 4."""
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        kill_in(patch, 5)
        run(tmp_path, tiny_model)
    return tmp_path


def test_a_checkpoint_has_no_pickle(cut):
    files = [path for path in (cut / "out" / "checkpoints").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}


def test_an_interrupted_training_is_not_begun_again_unasked(cut, tiny_model):
    with pytest.raises(CheckpointError, match=r"already holds a training that was interrupted.*--resume"):
        run(cut, tiny_model)


def test_a_finished_model_is_neither_overwritten_nor_trained_again(tmp_path, tiny_model, monkeypatch):
    report = run(tmp_path, tiny_model)
    with pytest.raises(CheckpointError, match=r"already holds a trained model\. Choose another --output"):
        run(tmp_path, tiny_model)
    kill_in(monkeypatch, 0)
    assert run(tmp_path, tiny_model, resume=True) == report
    with pytest.raises(CheckpointError, match="seed was 0 and is 1"):
        run(tmp_path, tiny_model, resume=True, seed=1)


@pytest.mark.parametrize("resume", [False, True])
def test_a_model_from_elsewhere_is_not_overwritten(tmp_path, tiny_model, resume):
    """As where output is the model that training starts from."""
    before = (tiny_model / "model.safetensors").read_bytes()
    with pytest.raises(CheckpointError, match="already holds a model, without the settings"):
        run(tmp_path, tiny_model, output=str(tiny_model), resume=resume)
    assert (tiny_model / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 2e-2}, "learning_rate was 0.01 and is 0.02"),
        ({"lora": {"r": 2, "alpha": 8}}, "lora.r was 4 and is 2"),
        ({"data": rows("sft")[:-1]}, "rows was '36 with SHA-256 .* and is '35 with"),
        (
            {"data": [*rows("sft")[:-1], {"text": f"{PROMPT.format(99)} no"}]},
            "rows was '36 with SHA-256 .* and is '36 with",
        ),
    ],
)
def test_other_settings_and_other_rows_are_refused(cut, tiny_model, changes, message):
    with pytest.raises(CheckpointError, match=message):
        run(cut, tiny_model, resume=True, **changes)
    assert run(cut, tiny_model, resume=True)["steps"] == 12, "the refusal has changed nothing"


def test_settings_that_change_no_step_may_change(cut, tiny_model):
    report = run(cut, tiny_model, resume=True, non_finite_steps=3, checkpoint_every=5, logging={"every_seconds": 2})
    assert report["steps"] == 12


def test_a_checkpoint_that_was_cut_short_is_skipped(tmp_path, cut, tiny_model, capsys):
    """With a word; then the training begins again and ends as ever."""
    straight = run(tmp_path / "straight", tiny_model)
    (file,) = (cut / "out" / "checkpoints").glob("checkpoint-4/optimizer.safetensors")
    file.write_bytes(file.read_bytes()[:-10])
    report = run(cut, tiny_model, resume=True, progress=True)
    assert "checkpoint-4' is skipped" in " ".join(capsys.readouterr().out.split())
    assert numbers(report) == numbers(straight) and same(weights(cut), weights(tmp_path / "straight"))


def test_a_disk_that_is_full_is_told_and_the_checkpoint_before_stays(cut, tiny_model, monkeypatch):
    def save(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(CheckpointError, match=r"No space left on device.*--resume"):
        patch.setattr("lenity.finetuning.checkpoints.save_file", save)
        run(cut, tiny_model, resume=True)
    assert run(cut, tiny_model, resume=True)["steps"] == 12


def test_a_second_process_is_refused(tmp_path, tiny_model):
    with locked(tmp_path / "out"), pytest.raises(CheckpointError, match="is in use"):
        run(tmp_path, tiny_model)


def test_a_signal_ends_it_after_the_step_saved(tmp_path, tiny_model, monkeypatch):
    straight = run(tmp_path / "straight", tiny_model)
    plain, came = Trainer.training_step, []

    def training_step(self, *arguments, **options):
        if self.state.global_step == 6 and not came:
            came.append(True)
            signal.raise_signal(signal.SIGTERM)
        return plain(self, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(StoppedError, match="after step 7 of 12") as stopped:
        patch.setattr(Trainer, "training_step", training_step)
        run(tmp_path / "cut", tiny_model, gently=True)
    assert stopped.value.exit_code == 0
    resumed = run(tmp_path / "cut", tiny_model, resume=True)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "straight"))
    assert resumed["train_loss"] == pytest.approx(straight["train_loss"], rel=1e-6)


@pytest.mark.parametrize("kind", ["sft", "pairs"])
def test_skipped_steps_count_over_all_sessions(tmp_path, tiny_model, monkeypatch, kind):
    """One before the interruption and two behind it are more than two."""
    plain = Trainer.training_step

    def training_step(self, *arguments, **options):
        if self.state.global_step == 5 and not resumed:
            raise KilledError
        loss = plain(self, *arguments, **options)
        if self.state.global_step in {1, 6, 8}:
            for parameter in self.model.parameters():
                parameter.grad.mul_(float("nan"))
        return loss

    monkeypatch.setattr(Trainer, "training_step", training_step)
    resumed = False
    with pytest.raises(KilledError):
        run(tmp_path, tiny_model, kind, non_finite_steps=2)
    resumed = True
    with pytest.raises(NumericalError, match="3 optimizer steps were not finite"):
        run(tmp_path, tiny_model, kind, resume=True, non_finite_steps=2)
    report = run(tmp_path, tiny_model, kind, resume=True, non_finite_steps=3)
    assert report["non_finite_steps"] == 3 and all(bool(value.isfinite().all()) for value in weights(tmp_path).values())


def test_a_model_that_is_saved_is_measured_without_training_again(tmp_path, monkeypatch):
    straight = run(tmp_path / "straight", None, "pairs")

    def measure(*arguments):
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(reward_models, "_measure", measure)
        run(tmp_path / "cut", None, "pairs")
    assert not (tmp_path / "cut" / "out" / "report.json").exists()
    kill_in(monkeypatch, 0)
    assert numbers(run(tmp_path / "cut", None, "pairs", resume=True)) == numbers(straight)


def test_progress_of_a_resumed_training_begins_where_it_was(cut, tiny_model, capsys):
    run(cut, tiny_model, resume=True, progress=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("fine-tuning")]
    assert lines[0].startswith("fine-tuning 4/12 steps") and lines[-1].startswith("fine-tuning 12/12 steps")


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_learning_rate_follows_its_schedule(tmp_path, tiny_model, monkeypatch, schedule):
    """Three steps of warm-up to the peak, then the formula."""
    rates = []
    monkeypatch.setattr(
        "lenity.finetuning.guard.Guard.on_step_end",
        lambda self, args, state, control, lr_scheduler=None, **rest: rates.append(lr_scheduler.get_last_lr()[0]),
        raising=False,
    )
    run(tmp_path, tiny_model, schedule=schedule)
    share = [i / 9 for i in range(10)]
    fall = {"cosine": [0.5 * (1 + math.cos(math.pi * s)) for s in share], "linear": [1 - s for s in share]}
    wanted = [1 / 3, 2 / 3, *fall.get(schedule, [1.0] * 10)]
    assert rates == pytest.approx([1e-2 * factor for factor in wanted])


def test_processes_that_would_train_alone_are_refused(tmp_path, tiny_model, monkeypatch):
    """As on a CPU, where transformers does not join what the launcher started."""
    monkeypatch.setattr("lenity.distributed.launch.launched", lambda: 2)
    with pytest.raises(ConfigError, match=r"started 2 processes, but transformers sees 1"):
        run(tmp_path, tiny_model)
    assert not (tmp_path / "out" / "model.safetensors").exists()
