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


@pytest.mark.parametrize(
    ("own", "asked", "found"),
    [
        ({"name": "gapo", "power": 2}, "gapo", {"power": 2}),
        ({"name": "gapo", "power": 2, "parameters": "all"}, "gapo:2", {"power": 2, "parameters": "all"}),
        ({"name": "gapo", "power": 2, "parameters": "all"}, "gapo:1", {"power": 1, "parameters": "last_layer"}),
        ({"name": "plc", "temperature": 2.0, "label": "warm"}, "warm", {"temperature": 2.0, "label": "warm"}),
        ({"name": "plc", "temperature": 2.0, "label": "warm"}, "plc", {"temperature": 2.0, "label": "warm"}),
        ({"name": "plc", "temperature": 2.0, "label": "warm"}, None, {"temperature": 2.0, "label": "warm"}),
        ({"name": "plc", "temperature": 2.0}, {"name": "plc"}, {"temperature": 0.1}),
    ],
)
def test_names_that_take_the_runs_own_settings(tmp_path, own, asked, found):
    run = tiny.run_config("m", "unused", method=own).dump()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    (method,) = load_sweep(tmp_path / "run.yaml", methods=asked and [asked]).methods
    assert {field: getattr(method, field) for field in found} == found


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


@pytest.mark.parametrize("methods", [["solo", "soups"], ["soups", "solo"]])
def test_a_run_of_two_methods_has_the_smaller_budget_in_any_order(file, methods):
    runs = planned(load_sweep(file, methods=methods, tokens=1000, seeds=[0]), ["helpful"])
    assert {run.output.split("/", 2)[2]: run.budget.tokens for run in runs if not run.method.sources} == {
        "solo/helpful1": 500,
        "solo/harmless1": 500,
    }


@pytest.mark.parametrize("tokens", [None, 1000])
def test_a_method_that_no_point_allows_is_refused(file, tokens):
    with pytest.raises(ConfigError, match=r"method solo can be run at none .* Add 'corners'"):
        planned(load_sweep(file, methods=["solo"], tokens=tokens), ["centre"])


def test_fewer_tokens_than_runs_are_refused(file):
    with pytest.raises(ConfigError, match=r"tokens is 3, which 5 runs of method plc are to share\. Give at least"):
        planned(load_sweep(file, methods=["plc"], tokens=3), ["lattice:4"])
    assert {run.budget.tokens for run in planned(load_sweep(file, methods=["plc"], tokens=5), ["lattice:4"])} == {1}


def test_runs_that_take_an_adapter_need_no_tokens(file):
    taken = {"name": "mgda", "source": "runs/earlier"}
    assert {run.budget.tokens for run in planned(load_sweep(file, methods=[taken], tokens=9))} == {None}


def test_two_settings_of_one_method_need_a_label(file):
    both = [{"name": "plc"}, {"name": "plc", "temperature": 2.0}]
    with pytest.raises(ConfigError, match="Give one a label"):
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
