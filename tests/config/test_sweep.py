"""Sweep files, and the plans made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import tiny
from lenity.cli.sweep import command
from lenity.config.sweep import load_sweep
from lenity.errors import ConfigError
from lenity.pareto.weights import points
from lenity.sweep.plan import plan


@pytest.fixture
def file(tmp_path):
    run = tiny.run_config("m", "unused", method={"name": "plc", "gate": "net"}).dump()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"run": "run.yaml", "methods": ["plc", "mgda", "soups"], "seeds": [3, 4]}))
    return path


def planned(sweep, which=("lattice:2",)):
    where = points(list(sweep.run.rewards), which)
    return plan(sweep.run, sweep.methods, where, Path("out"), sweep.seeds, tokens=sweep.tokens)


def test_a_bare_name_takes_the_runs_own_settings(file):
    sweep = load_sweep(file, ["--ppo.epochs", "1"])
    assert sweep.methods[0].gate == "net" and sweep.run.ppo.epochs == 1 and sweep.seeds == [3, 4]


def test_a_run_file_is_a_sweep_of_one_method(file):
    sweep = load_sweep(file.with_name("run.yaml"), points=["centre"], seeds=["5"])
    assert [method.gate for method in sweep.methods] == ["net"] and (sweep.points, sweep.seeds) == (["centre"], [5])


def test_a_weight_free_method_trains_once_a_seed_and_comes_before_what_takes_from_it(file):
    runs = [run for run in planned(load_sweep(file)) if "/mgda/" in run.output and run.seed == 3]
    assert [run.method.source for run in runs] == [None, runs[0].output, runs[0].output]


def test_tokens_are_shared_by_the_runs_that_train(file):
    runs = planned(load_sweep(file, tokens=1200))
    shares = {}
    for run in runs:
        shares.setdefault(run.output.split("/")[2], set()).add(run.budget.tokens)
    assert shares == {"plc": {400}, "mgda": {1200, None}, "solo": {600}, "soups_exact": {None}}


def test_two_settings_of_one_method_need_a_label(file):
    both = [{"name": "plc"}, {"name": "plc", "temperature": 2.0}]
    with pytest.raises(ConfigError, match="give one a label"):
        planned(load_sweep(file, methods=both))
    both[1]["label"] = "plc-warm"
    assert {run.output.split("/")[2] for run in planned(load_sweep(file, methods=both))} == {"plc", "plc-warm"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["linaer"]}, "unknown method 'linaer'. Did you mean 'linear'"),
        ({"seeds": ["-1"]}, "seeds.0"),
        ({"seeds": ["one"]}, r"seeds.0: found 'one'.* Set it with --seeds value"),
        ({"tokens": 0}, "tokens"),
    ],
)
def test_wrong_options_are_named(file, options, message):
    with pytest.raises(ConfigError, match=message):
        load_sweep(file, **options)


def test_options_may_have_spaces_after_their_commas(file, tmp_path):
    options = ("--methods", "plc, linear", "--points", "corners, centre", "--seeds", "3, 4")
    result = CliRunner().invoke(command, [str(file), *options, "--output", str(tmp_path / "out"), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "linear" in result.output and "soups" not in result.output


@pytest.mark.parametrize("point", ["middle", "lattice:0", "lattice:x", {"a": 1.0}])
def test_wrong_points_are_named(point):
    with pytest.raises(ConfigError, match="points"):
        points(["helpful", "harmless"], [point])


def test_points():
    assert len(points(["a", "b", "c"], ["lattice:4"])) == 15
    assert points(["a", "b"], ["corners", "lattice:1"]) == [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}]
    assert points(["a", "b"], [{"a": 0.3, "b": 0.7}]) == [{"a": 0.3, "b": 0.7}]
