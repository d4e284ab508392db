"""The record says which runs of a sweep were asked for, and which were made for other methods alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny
from lenity.pareto.weights import points
from lenity.sweep.plan import made_for, plan
from lenity.sweep.record import Outcome, Record

CORNERS = ["solo/harmless1", "solo/helpful1"]


def sweep(methods, which=("lattice:2",), output="out"):
    config = tiny.run_config("m", "unused")
    where = points(list(config.rewards), which)
    configs = plan(config, methods, where, Path(output))
    found = made_for(configs, methods, where)
    return configs, {"/".join(Path(run).parts[-2:]): users for run, users in sorted(found.items())}, found


@pytest.mark.parametrize(
    ("methods", "which", "brought"),
    [
        (["plc", "linear", "soups"], ["lattice:2"], CORNERS),
        (["plc", "linear", "soups"], ["corners", "centre"], CORNERS),
        (["soups", "solo"], ["lattice:2"], []),
        (["soups", "solo"], ["helpful", "centre"], ["solo/harmless1"]),
        (["linear", "solo"], ["lattice:2"], []),
        (["mgda", "plc"], ["lattice:2"], []),
    ],
)
def test_only_runs_that_nobody_asked_for_are_made_for_others(methods, which, brought):
    _, found, _ = sweep(methods, which)
    assert list(found) == brought and all(users == ["soups:exact"] for users in found.values())


def test_two_settings_of_a_method_share_what_is_made_for_them():
    _, found, _ = sweep(["soups", {"type": "soups", "mode": "factors"}])
    assert found == {run: ["soups:exact", "soups:factors"] for run in CORNERS}


def entries(folder):
    return {
        "/".join(Path(entry["run"]).parts[-2:]): entry["made_for"]
        for entry in json.loads((folder / "sweep.json").read_text())
    }


def carry_out(folder, methods):
    configs, _, brought = sweep(methods, output=str(folder))
    record = Record(folder, configs, brought)
    for config in configs:
        record.add(Outcome(config.output, 1.0))
    return entries(folder)


def test_what_was_once_asked_for_stays_asked_for_whatever_is_called_in_between(tmp_path):
    assert carry_out(tmp_path, ["soups"])["solo/helpful1"] == ["soups:exact"]
    assert carry_out(tmp_path, ["solo"])["solo/helpful1"] == []
    assert carry_out(tmp_path, ["plc"])["solo/helpful1"] == [], "the entries of earlier calls are kept"
    assert carry_out(tmp_path, ["soups"])["solo/helpful1"] == []
