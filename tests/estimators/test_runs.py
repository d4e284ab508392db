"""Whole runs without a critic, through the real command line: any rule over advantages with any estimator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from safetensors.torch import load_file

import tiny
from faults.same import assert_same, rows
from lenity.config.load import parse
from lenity.errors import ConfigError
from lenity.estimators import Group, LeaveOneOut
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training.loop import train
from scale.launched import launch

SETTINGS = {
    "plc and groups": {"method": {"type": "plc", "gate": "net"}, "estimator": {"type": "group", "responses": 4}},
    "linear and leave-one-out": {"method": "linear", "estimator": "leave_one_out:2"},
    "a rule over gradients": {"method": "p-gapo", "estimator": "group:2"},
}
CRITICS = {"value_loss", "value_clip_fraction", "explained_variance"}


def lenity(*arguments, cwd):
    found = subprocess.run(
        [sys.executable, "-m", "lenity", *map(str, arguments)], check=False, cwd=cwd, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found


@pytest.fixture(scope="module", params=SETTINGS)
def straight(request, tiny_model, tmp_path_factory):
    """A run of three iterations, in a folder with its file."""
    folder = tmp_path_factory.mktemp("runs")
    settings = SETTINGS[request.param] | {"logging": {"samples": 8, "progress": False}}
    data = tiny.run_config(tiny_model, "run", **settings).dump()
    (folder / "run.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    lenity("train", "run.yaml", cwd=folder)
    return RunFolder(folder / "run")


def test_there_is_no_critic_and_each_prompt_is_answered_several_times(straight):
    estimator = straight.config.estimator
    assert isinstance(estimator, Group | LeaveOneOut) and not CRITICS & set(straight.metrics()[-1])
    weights = [load_file(straight.checkpoints / f"iteration_00000{i}" / "weights.safetensors") for i in (2, 3)]
    assert all(name.startswith("policy.") for name in weights[0])
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    samples = [json.loads(line) for line in (straight.path / "samples.jsonl").read_text().splitlines()]
    prompts = [sample["prompt"] for sample in samples[:8]]
    assert prompts == [prompts[i - i % estimator.responses] for i in range(8)] and len(set(prompts)) > 1
    assert all(set(sample) == {"iteration", "prompt", "response", "raw"} for sample in samples)
    assert "critic.hidden_size, which is set" in (straight.path / "notes.log").read_text()


def test_killed_and_resumed_it_ends_to_the_bit(straight, tmp_path):
    shutil.copytree(straight.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    shutil.rmtree(run.adapter)  # as if the process had been killed in the third iteration
    shutil.rmtree(run.checkpoints / "iteration_000003")
    lenity("train", straight.path.parent / "run.yaml", "--resume", cwd=tmp_path)
    assert_same(run, straight)


@pytest.mark.slow
def test_two_processes_end_where_one_does(straight, tmp_path):
    launch("cpu_ddp", 2, "train", straight.path.parent / "run.yaml", cwd=tmp_path)
    two, last = RunFolder(tmp_path / "run"), "checkpoints/iteration_000003/weights.safetensors"
    torch.testing.assert_close(load_file(two.path / last), load_file(straight.path / last), rtol=0, atol=1e-5)
    for ours, theirs in zip(rows(two), rows(straight), strict=True):
        assert ours["reward"] == theirs["reward"] and ours["tokens"] == theirs["tokens"]
        assert ours["policy_loss"] == pytest.approx(theirs["policy_loss"], abs=1e-5)


def test_gdpo_is_linear_with_groups(tiny_model, tmp_path):
    """One setting under two names."""
    found = []
    for name, settings in {
        "gdpo": {"method": {"type": "gdpo", "responses": 4}},
        "linear": {"method": "linear", "estimator": "group:4"},
    }.items():
        found.append(train(tiny.run_config(tiny_model, tmp_path / name, iterations=2, **settings)))
    assert_same_training(*found)


def assert_same_training(one, other):
    assert rows(one) == rows(other)
    for file in (
        "adapter/adapter_model.safetensors",
        "samples.jsonl",
        "checkpoints/iteration_000002/optimizer.safetensors",
    ):
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"type": "critic", "responses": 1}),
        ({"method": "gdpo"}, {"type": "group", "responses": 8}),
        ({"method": {"type": "gdpo", "responses": 2}, "estimator": None}, {"type": "group", "responses": 2}),
        ({"method": "gdpo", "estimator": "group"}, {"type": "group", "responses": 8}),
        ({"estimator": "leave_one_out"}, {"type": "leave_one_out", "responses": 4}),
        ({"method": "mgda", "estimator": {"type": "group", "responses": 2}}, {"type": "group", "responses": 2}),
        ({"estimator": "critic:4"}, {"type": "critic", "responses": 4}),
    ],
    ids=str,
)
def test_the_resolved_configuration_says_which(tiny_model, settings, wanted):
    config = tiny.run_config(tiny_model, "run", **settings)
    assert config.dump()["estimator"] == wanted
    assert parse(RunConfig, config.dump()) == config


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "gdpo", "estimator": "critic"}, r"estimator is critic:1, but method gdpo requires group:8; leave estimator out"),
        ({"method": "gdpo", "estimator": "group:4"}, r"estimator is group:4, but method gdpo requires group:8"),
        ({"estimator": "group:3"}, r"rollout\.batch_size is 8, which is not a multiple of the 3 .* choose a multiple of 3"),
        ({"estimator": "leave_one_out:1"}, r"estimator\.responses: found 1; input should be greater than or equal to 2"),
        ({"estimator": "grup"}, r"estimator: unknown estimator 'grup'\. Did you mean 'group'"),
        ({"method": "ric", "estimator": "group"}, r"method ric does not train in the loop, so estimator group:8 would have no effect"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_the_door(tiny_model, settings, words):
    with pytest.raises(ConfigError, match=words):
        tiny.run_config(tiny_model, "run", **settings)
