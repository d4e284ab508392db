"""A rule of another package that has a schedule and remembers: training and resuming keep what it learnt."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file

import tiny
from faults.same import assert_same, rows
from lenity.errors import ConfigError
from lenity.methods import train
from lenity.rules import RULES
from lenity.rules.base import GradientRule
from lenity.rules.lenient import Lenient
from lenity.rules.memory import saved
from lenity.runs.folder import RunFolder


class Running(Lenient):
    """Forgives the less the larger the losses of the batches before; its memory is a new tensor each time."""

    def initial_memory(self, objectives):
        return {"loss": torch.zeros(len(objectives)), "seen": torch.tensor(0)}

    def objective_scale(self, advantages, weights):
        return self.step(advantages, weights, self.initial_memory("ab"))[0]

    def step(self, advantages, weights, memory):
        scale = torch.where(advantages < 0, 1 - self.leniency / (1 + memory["loss"]), 1.0)
        now = advantages.clamp(max=0).abs().reshape(-1, 2).mean(0)
        return scale, {"loss": 0.5 * memory["loss"] + now, "seen": memory["seen"] + 1}


class Anew(Running):
    """Its schedule makes another rule altogether."""

    def at(self, progress):
        return type(self)(**self.model_dump() | {"leniency": self.leniency * (1 - progress)})


class Inverse(GradientRule):
    """Weighs objectives by the inverse of their gradients' mean lengths so far, more so later."""

    sharpness: float = 0.0

    def at(self, progress):
        return self.model_copy(update={"sharpness": progress})

    def combination(self, jacobian, weights):
        return self.step(jacobian, weights, {})[0]

    def step(self, jacobian, weights, memory):
        now = jacobian.norm(dim=1)
        lengths = 0.9 * memory["lengths"] + 0.1 * now if memory else now
        return weights / (1 + lengths) ** self.sharpness, {"lengths": lengths}


@pytest.fixture(scope="module", autouse=True)
def registered():
    """As an entry point of the other package would."""
    rules = {"running": Running, "anew": Anew, "inverse": Inverse}
    for name, kind in rules.items():
        RULES.register(name)(kind)
    yield
    for name in rules:
        del RULES._members[name]


@pytest.mark.parametrize("name", ["running", "anew", "inverse"])
def test_a_killed_run_ends_as_one_that_was_not(tiny_model, tmp_path, name):
    checkpoint = {"every": 1, "keep_last": 4}
    straight, cut = (
        train(tiny.run_config(tiny_model, tmp_path / place, iterations=4, method={"name": name}, checkpoint=checkpoint))
        for place in ("straight", "cut")
    )
    shutil.rmtree(cut.adapter)
    for iteration in (3, 4):
        shutil.rmtree(cut.checkpoints / f"iteration_00000{iteration}")
    assert_same(train(cut.config, resume=True), straight)

    memory = {i: load_file(straight.checkpoints / f"iteration_00000{i}" / "rule.safetensors") for i in (1, 4)}
    assert memory[1].keys() == memory[4].keys() and memory[4]
    assert all(value.ne(0).any() and value.ne(memory[1][key]).any() for key, value in memory[4].items())
    if name != "inverse":
        assert memory[4]["seen"] == 4, "once an iteration"


def test_what_a_rule_remembers_matters(tiny_model, tmp_path, monkeypatch):
    """So that the test above would fail without it."""
    made, step = [], Running.step
    for name in ("with", "without"):
        if name == "without":
            monkeypatch.setattr(Running, "step", lambda self, a, w, memory: step(self, a, w, self.initial_memory("ab")))
        made.append(train(tiny.run_config(tiny_model, tmp_path / name, iterations=4, method={"name": "running"})))
    assert rows(made[0])[1] != rows(made[1])[1]


def test_another_rule_begins_without_the_memory_and_says_so(tiny_model, tmp_path):
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=2, method={"name": "running"}))
    config = tiny.run_config(tiny_model, run.path, iterations=3, method={"name": "inverse"})
    assert train(config, resume=True, allow_changes=True).finished
    notes = (run.path / "notes.log").read_text()
    assert "The memory of rule Running is discarded: the rule is now Inverse." in notes
    assert list(load_file(run.checkpoints / "iteration_000003" / "rule.safetensors")) == ["lengths"]


def test_the_same_rule_with_another_setting_keeps_it(tiny_model, tmp_path):
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=2, method={"name": "running"}))
    config = tiny.run_config(tiny_model, run.path, iterations=3, method={"name": "running", "leniency": 0.5})
    train(config, resume=True, allow_changes=True)
    assert load_file(RunFolder(run.path).checkpoints / "iteration_000003" / "rule.safetensors")["seen"] == 3


def test_two_trainings_with_one_rule_do_not_teach_each_other(tiny_model, tmp_path):
    rule = Running()
    first, second = (train(tiny.run_config(tiny_model, tmp_path / name, method=rule)) for name in ("first", "second"))
    assert rows(first) == rows(second)


@pytest.mark.parametrize("value", [1.0, [1.0], None])
def test_a_memory_that_a_checkpoint_cannot_hold_names_the_rule_and_what_it_is(value):
    with pytest.raises(
        ConfigError,
        match=rf"rule Running has 'loss' in its memory as {type(value).__name__}, but checkpoints store only tensors",
    ):
        saved({"seen": torch.tensor(1), "loss": value}, "Running")


def test_parts_of_one_tensor_are_kept_apart(tiny_model, tmp_path, monkeypatch):
    step = Running.step

    def twice(self, *arguments):
        scale, memory = step(self, *arguments)
        return scale, memory | {"again": memory["loss"]}

    monkeypatch.setattr(Running, "step", twice)
    run = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=1, method={"name": "running"}))
    kept = load_file(run.checkpoints / "iteration_000001" / "rule.safetensors")
    assert torch.equal(kept["loss"], kept["again"]) and kept["loss"].any()


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("state", "defines state, but rules no longer store their own memory"),
        ("restore", "defines restore, but rules no longer store their own memory"),
        ("build", "defines build, which belongs to methods"),
        ("rectify", "defines rectify, which is sum_k w_k M_k A_k for all rules"),
    ],
)
def test_a_rule_of_before_whose_memory_or_recipe_would_be_lost_is_refused(own, message):
    defined = {own: lambda self, *arguments: None}
    with pytest.raises(ConfigError, match=message):
        type("Old", (Lenient,), defined)
    with pytest.raises(ConfigError, match=message):  # where a class beside the rule's defines it, as well
        type("Old", (type("Beside", (), defined), Lenient), {})


@pytest.mark.parametrize("field", ["label", "source", "rule"])
def test_a_field_that_the_loop_has_beside_it_is_refused(field):
    with pytest.raises(ConfigError, match=f"rule Mine has a field {field}, which is also a field of the loop"):
        type("Mine", (Lenient,), {"__annotations__": {field: str}, field: ""})
