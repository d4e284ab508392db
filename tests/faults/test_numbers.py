"""Numbers that break in a whole run: it stops with an error of ours, what was saved is sound, and a gentler setting goes on."""

from __future__ import annotations

import pytest
import torch

import tiny
from lenity.errors import NumericalError, ResourceError
from lenity.methods import train
from lenity.models.actor_critic import ActorCritic
from lenity.runs.checkpoint import Checkpoint
from lenity.runs.folder import RunFolder


def test_a_learning_rate_that_blows_the_weights_up(tiny_model, tmp_path):
    steep = {"learning_rate": 1e25, "warmup_steps": 2, "max_grad_norm": 1e9}
    config = tiny.run_config(
        tiny_model, tmp_path / "run", iterations=6, optimizer=steep, tolerance={"non_finite_steps": 1}
    )
    with pytest.raises(NumericalError) as found:
        train(config)
    assert "Lower optimizer.learning_rate" in found.value.remedy and "--allow-changes" in found.value.remedy
    run = RunFolder(tmp_path / "run")
    for folder in run.checkpoints.glob("iteration_*"):
        whole = Checkpoint.load(folder)
        assert all(bool(value.isfinite().all()) for value in [*whole.weights.values(), *whole.optimizer.values()])


def test_a_policy_that_has_no_probabilities_any_more(tiny_model, tmp_path):
    """Finite weights whose logits are not: every step is skipped, and then nothing can be sampled."""
    steep = {"learning_rate": 1e20, "warmup_steps": 1, "max_grad_norm": 1e9}
    config = tiny.run_config(tiny_model, tmp_path / "run", optimizer=steep, tolerance={"non_finite_steps": 1000})
    with pytest.raises(NumericalError, match="probabilities of a next token are not finite"):
        train(config)


def broken_values(monkeypatch, calls):
    """The critic's values are no numbers in these forward passes of training."""
    plain, count = ActorCritic.forward, iter(range(10**6))

    def forward(self, *arguments, **options):
        found = plain(self, *arguments, **options)
        if torch.is_grad_enabled() and next(count) in calls:
            return found._replace(values=found.values * float("nan"))
        return found

    monkeypatch.setattr(ActorCritic, "forward", forward)


def test_a_few_broken_steps_are_skipped_counted_and_noted(tiny_model, tmp_path, monkeypatch):
    broken_values(monkeypatch, {1, 5})
    run = train(tiny.run_config(tiny_model, tmp_path / "run"))
    assert run.finished and [row["non_finite_steps"] for row in run.metrics()] == [1, 1, 0]
    assert all(torch.isfinite(torch.tensor(row["value_loss"])) for row in run.metrics())
    notes = (run.path / "notes.log").read_text().splitlines()
    assert len(notes) == 2 and all("non-finite values: values, value loss" in note for note in notes)


def test_too_many_stop_the_run_and_the_count_outlives_a_crash(tiny_model, tmp_path, monkeypatch):
    """Two before the crash, one after it: one more than is allowed."""
    config = tiny.run_config(tiny_model, tmp_path / "run", iterations=4, tolerance={"non_finite_steps": 2})
    broken_values(monkeypatch, {1, 2, 8})
    from lenity.training.stages import Stages

    generate = Stages.generate

    def dies(self, iteration):
        if iteration == 2:
            raise KeyboardInterrupt
        return generate(self, iteration)

    monkeypatch.setattr(Stages, "generate", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config)
    monkeypatch.setattr(Stages, "generate", generate)
    with pytest.raises(NumericalError, match="3 optimizer steps were not finite, more than tolerance"):
        train(config, resume=True)
    assert len(RunFolder(tmp_path / "run").metrics()) == 2
    monkeypatch.undo()
    more = config.model_copy(update={"tolerance": config.tolerance.model_copy(update={"non_finite_steps": 5})})
    assert train(more, resume=True).finished


def test_memory_that_runs_out_in_the_update(tiny_model, tmp_path, monkeypatch):
    """The run goes on with smaller mini-batches, says so, and ends where it would have but for rounding."""
    straight = train(
        tiny.run_config(tiny_model, tmp_path / "straight", ppo={"epochs": 2, "mini_batch_size": 8, "accumulation": 1})
    )
    plain = ActorCritic.forward

    def forward(self, prompt_ids, *arguments, **options):
        if torch.is_grad_enabled() and len(prompt_ids) > 4:
            torch.empty(2**50)  # which no machine has
        return plain(self, prompt_ids, *arguments, **options)

    monkeypatch.setattr(ActorCritic, "forward", forward)
    run = train(
        tiny.run_config(tiny_model, tmp_path / "run", ppo={"epochs": 2, "mini_batch_size": 8, "accumulation": 1})
    )
    assert "Forward passes of 8 responses ran out of memory" in (run.path / "notes.log").read_text()
    assert [row["forward_passes"] for row in run.metrics()] == [4, 4, 4], "it is not tried again in each step"
    assert [row["forward_passes"] for row in straight.metrics()] == [2, 2, 2]
    for ours, theirs in zip(run.metrics(), straight.metrics(), strict=True):
        assert ours["policy_loss"] == pytest.approx(theirs["policy_loss"], abs=1e-4)
        assert ours["reward"] == theirs["reward"]
    state = Checkpoint.load(max(run.checkpoints.iterdir())).state
    assert state["setbacks"] == {"micro_batch": 4, "non_finite_steps": 0}


def test_memory_that_runs_out_while_generating_says_what_to_lower(tiny_model, tmp_path, monkeypatch):
    from lenity.rollout.transformers import TransformersGenerator

    config = tiny.run_config(tiny_model, tmp_path / "run")
    train(config.model_copy(update={"iterations": 1, "output": str(tmp_path / "first")}))

    def generate(self, prompts, progress=None):
        torch.empty(2**50)

    monkeypatch.setattr(TransformersGenerator, "_generate", generate)
    config = config.model_copy(update={"standardisation": config.standardisation.model_copy(
        update={"file": str(tmp_path / "first" / "standardisation.json")})})  # fmt: skip
    with pytest.raises(ResourceError, match=r"Lower rollout\.generation_batch_size"):
        train(config)
