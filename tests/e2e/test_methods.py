"""Every registered method, run whole on the toy world's exact rewards: at a corner the chosen objective rises."""

from __future__ import annotations

import json

import pytest

from lenity.config.load import parse
from lenity.evaluation.score import evaluate
from lenity.evaluation.table import changes
from lenity.methods import METHODS, train
from lenity.runs.config import RunConfig
from lenity.toy.examples import pairs
from lenity.toy.prompts import ToyPrompts

CHOSEN, OTHER = "helpful", "harmless"
SETTINGS = {"gdpo": {"responses": 4}, "torchjd": {"aggregator": "PCGrad"}}


def run_config(world, output, method, objectives, weights=None):
    data = {
        "output": str(output),
        "iterations": 8,
        "policy": {"model": str(world.policy), "dtype": "float32", "lora": {"r": 8, "alpha": 16, "dropout": 0.0}},
        "prompts": {"type": "toy", "split": "train", "count": 300},
        "held_out_prompts": {"type": "toy", "split": "test", "count": 150},
        "weights": weights or {name: float(name == CHOSEN) for name in objectives},
        "rewards": {name: {"type": "toy", "preference": name} for name in objectives},
        "method": method,
        "critic": {"hidden_size": 32},
        "rollout": {"batch_size": 64, "max_new_tokens": 12},
        "ppo": {"epochs": 2, "mini_batch_size": 32, "accumulation": 1},
        "kl": {"kind": "fixed", "coefficient": 0.01},
        "optimizer": {"learning_rate": 4e-3, "warmup_steps": 2},
        "standardisation": {"prompts": 150},
        "evaluation": {"limit": 150},
        "checkpoint": {"every": 8},
        "logging": {"progress": False},
    }
    return parse(RunConfig, data)


def rise(run):
    """The chosen objective's paired change."""
    return next(change for change in changes(evaluate(run)) if change.objective == CHOSEN)


@pytest.fixture(scope="module")
def solos(small_world, tmp_path_factory):
    """A SOLO run an objective, by name."""
    folder = tmp_path_factory.mktemp("solos")
    corners = {name: {other: float(other == name) for other in (CHOSEN, OTHER)} for name in (CHOSEN, OTHER)}
    runs = {
        name: train(run_config(small_world, folder / name, "solo", list(corners), corner))
        for name, corner in corners.items()
    }
    return {name: str(run.path) for name, run in runs.items()}


def settings(name, folder, request):
    if name == "soups":
        return {"solo": request.getfixturevalue("solos")}
    if name == "ric":
        rows = pairs(ToyPrompts(count=300).read()[0], CHOSEN, 1500, seed=0)
        (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        offline = {"pairs": {"dataset": str(folder / "pairs.jsonl")}, "steps": 300, "learning_rate": 4e-3}
        return {"offline": offline, "online": {"samples": 300, "steps": 30, "learning_rate": 2e-4}, "batch_size": 32}
    return SETTINGS.get(name, {})


@pytest.mark.parametrize("name", list(METHODS))
def test_the_chosen_objective_rises(name, small_world, tmp_path, request):
    """A method without weights chooses nothing between two objectives: its corner is the problem with one."""
    method = {"name": name} | settings(name, tmp_path, request)
    chooses = not getattr(METHODS[name].model_validate(settings_of(method)), "once", False)
    objectives = [CHOSEN, OTHER] if chooses or name == "ric" else [CHOSEN]
    found = rise(train(run_config(small_world, tmp_path / "run", method, objectives)))
    assert found.verdict == "better" and found.difference.value > 0.1, found


def settings_of(method):
    return {key: value for key, value in method.items() if key != "name"}


def test_a_soup_of_two_runs_lies_between_them(small_world, solos, tmp_path):
    rises = {}
    for share in (0.0, 0.5, 1.0):
        weights = {CHOSEN: share, OTHER: 1 - share}
        method = {"type": "soups", "solo": solos}
        run = train(run_config(small_world, tmp_path / str(share), method, list(weights), weights))
        rises[share] = {change.objective: change for change in changes(evaluate(run, cache=tmp_path))}
    assert rises[1.0][CHOSEN].verdict == rises[0.0][OTHER].verdict == "better"
    for name in (CHOSEN, OTHER):
        low, middle, high = sorted(rises, key=lambda share: rises[share][name].difference.value)
        assert (low, middle, high) == ((0.0, 0.5, 1.0) if name == CHOSEN else (1.0, 0.5, 0.0)), rises


@pytest.mark.parametrize("method", ["mgda", "gapo:1", "gapo:2", "torchjd:IMTLG"])
def test_without_weights_no_objective_is_given_up(method, small_world, tmp_path):
    run = train(run_config(small_world, tmp_path / "run", method, [CHOSEN, "humorous"]))
    found = changes(evaluate(run))
    assert all(change.verdict != "worse" for change in found), found
    assert any(change.verdict == "better" for change in found), found
