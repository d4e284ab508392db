"""Sweep files, and the plans made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import tiny
from lenity.cli.sweep import command
from lenity.errors import ConfigError
from lenity.pareto.weights import points
from lenity.sweep.config import load_sweep
from lenity.sweep.plan import plan


@pytest.fixture
def file(tmp_path):
    run = tiny.run_config("m", "unused", method={"type": "plc", "gate": "net"}).dump()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump({"run": "run.yaml", "methods": ["plc", "mgda", "soups"], "seeds": [3, 4]}))
    return path


def planned(sweep, which=("lattice:2",)):
    where = points(list(sweep.run.rewards), which)
    return plan(sweep.run, sweep.methods, where, Path("out"), sweep.seeds, tokens=sweep.tokens)


def test_a_bare_name_takes_the_runs_own_settings(file):
    sweep = load_sweep(file, ["--ppo.epochs", "1"])
    assert sweep.methods[0].rule.gate == "net" and sweep.run.ppo.epochs == 1 and sweep.seeds == [3, 4]


@pytest.mark.parametrize(
    ("own", "asked", "found"),
    [
        ({"type": "gapo", "power": 2}, "gapo", {"power": 2}),
        ({"type": "gapo", "power": 2, "parameters": "all"}, "gapo:2", {"power": 2, "parameters": "all"}),
        ({"type": "gapo", "power": 2, "parameters": "all"}, "gapo:1", {"power": 1, "parameters": "last_layer"}),
        ({"type": "plc", "temperature": 2.0, "label": "warm"}, "warm", {"temperature": 2.0, "label": "warm"}),
        ({"type": "plc", "temperature": 2.0, "label": "warm"}, "plc", {"temperature": 2.0, "label": "warm"}),
        ({"type": "plc", "temperature": 2.0, "label": "warm"}, None, {"temperature": 2.0, "label": "warm"}),
        ({"type": "plc", "temperature": 2.0}, {"type": "plc"}, {"temperature": 0.1}),
    ],
)
def test_names_that_take_the_runs_own_settings(tmp_path, own, asked, found):
    run = tiny.run_config("m", "unused", method=own).dump()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    (method,) = load_sweep(tmp_path / "run.yaml", methods=asked and [asked]).methods
    own = method.model_dump()
    assert {field: own[field] for field in found} == found


def test_a_run_file_is_a_sweep_of_one_method(file):
    sweep = load_sweep(file.with_name("run.yaml"), points=["centre"], seeds=["5"])
    assert [method.rule.gate for method in sweep.methods] == ["net"] and (sweep.points, sweep.seeds) == (
        ["centre"],
        [5],
    )


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
    with pytest.raises(
        ConfigError, match=r"tokens is 3, fewer than the 5 runs of method plc that share them\. Give at least"
    ):
        planned(load_sweep(file, methods=["plc"], tokens=3), ["lattice:4"])
    assert {run.budget.tokens for run in planned(load_sweep(file, methods=["plc"], tokens=5), ["lattice:4"])} == {1}


def test_runs_that_take_an_adapter_need_no_tokens(file):
    taken = {"type": "mgda", "source": "runs/earlier"}
    assert {run.budget.tokens for run in planned(load_sweep(file, methods=[taken], tokens=9))} == {None}


def test_two_settings_of_one_method_need_a_label(file):
    both = [{"type": "plc"}, {"type": "plc", "temperature": 2.0}]
    with pytest.raises(ConfigError, match="Give one of them a label"):
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


TWO = {"helpful": 0.5, "harmless": 0.5}
EVEN = [{"helpful": 1.0, "harmless": 0.0}, TWO, {"helpful": 0.0, "harmless": 1.0}]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("lattice:2", EVEN),
        ("corners,centre", [EVEN[0], EVEN[2], TWO]),
        ("corners, helpful+harmless", [EVEN[0], EVEN[2], TWO]),
        (["corners", "centre"], [EVEN[0], EVEN[2], TWO]),
        (["corners,centre"], [EVEN[0], EVEN[2], TWO]),
        ("centre", [TWO]),
        ("helpful", [EVEN[0]]),
        (TWO, [TWO]),
        ([TWO, "helpful"], [TWO, EVEN[0]]),
        ([[1, 0], [0.5, 0.5]], [EVEN[0], TWO]),
        ("[{helpful: 0.5, harmless: 0.5}, helpful]", [TWO, EVEN[0]]),
        ([{"helpful": 1}], [EVEN[0]]),
        (None, None),
    ],
)
@pytest.mark.parametrize("place", ["file", "option"])
def test_points_are_spelt_alike_in_a_file_and_as_an_option(file, place, written, expected):
    if place == "file":
        data = yaml.safe_load(file.read_text()) | {"points": written}
        file.write_text(yaml.safe_dump(data))
        sweep = load_sweep(file)
    else:
        sweep = load_sweep(file, points=written)
    assert (sweep.points and points(["helpful", "harmless"], sweep.points)) == expected


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ([0.5, 0.5], ["points", "0.5", "in the order of the rewards, [0.3, 0.7]"]),
        (3, ["points", "3", "lattice:N"]),
        ([True], ["points", "True"]),
        ([{"helpful": "much"}], ["points", "much"]),
        ([{"helpful": None}], ["points", "None"]),
        ([[]], ["points"]),
        ([[0.5, 0.25, 0.25]], ["3 weights for 2 objectives", "['helpful', 'harmless']"]),
        ([[0.5, 0.6]], ["sum to 1.1"]),
        ("center", ["'center' is not known", "Did you mean 'centre'?", "lattice:N"]),
        ("latice:2", ["Did you mean 'lattice'?"]),
        ("lattice:two", ["'lattice:two' is not known", "lattice:N"]),
        ("helpfull", ["Did you mean 'helpful'?"]),
        ([{"helpfull": 1.0}], ["name ['helpfull']", "Did you mean 'helpful'?"]),
        ("[{helpful: 1", ["not valid YAML"]),
    ],
)
def test_points_that_are_none_teach_what_is_one(file, written, words):
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"points": written}))
    with pytest.raises(ConfigError) as error:
        sweep = load_sweep(file)
        points(["helpful", "harmless"], sweep.points)
    assert [word for word in words if word not in str(error.value)] == []


@pytest.mark.parametrize(
    ("methods", "seeds"), [("plc,linear", "0,1"), (["plc", "linear"], [0, 1]), ("plc, linear", ["0", "1"])]
)
def test_methods_and_seeds_are_spelt_as_their_options(file, methods, seeds):
    file.write_text(yaml.safe_dump({"run": "run.yaml", "methods": methods, "seeds": seeds}))
    sweep = load_sweep(file)
    assert [type(method).__name__ for method in sweep.methods] == ["Loop[PLC]", "Loop[Linear]"] and sweep.seeds == [
        0,
        1,
    ]
    file.write_text(yaml.safe_dump({"run": "run.yaml", "methods": "linear", "seeds": 7}))
    assert load_sweep(file).seeds == [7]


def fields(sweep, name):
    """The value of a method's field by its rule's or its own class."""
    rules = [getattr(method, "rule", method) for method in sweep.methods]
    return {type(rule).__name__: getattr(rule, name, None) for rule in rules}


def test_a_methods_field_goes_to_the_methods_that_have_it_and_that_is_told(file):
    """The file's run has plc with gate net."""
    told = []
    run = file.with_name("run.yaml")
    ric = load_sweep(run, ["--method.offline.steps", "60"], methods="ric", notify=told.append)
    assert ric.methods[0].offline.steps == 60 and told == []
    both = load_sweep(
        run, ["--method.temperature", "0.7", "--method.source=other"], methods="plc,linear", notify=told.append
    )
    assert fields(both, "temperature") == {"PLC": 0.7, "Linear": None}
    assert [method.source for method in both.methods] == ["other", "other"]
    assert both.methods[0].rule.gate == "net"
    assert told == ["--method.temperature applies to plc, and not to linear, without such a field."]
    shared = load_sweep(run, ["--method.temperature=0.3"], methods="plc,entropic", notify=told.append)
    assert fields(shared, "temperature") == {"PLC": 0.3, "Entropic": 0.3} and len(told) == 1
    inner = load_sweep(run, ["--method.arguments.c", "0.5"], methods=[{"type": "torchjd", "aggregator": "CAGrad"}])
    assert inner.methods[0].rule.arguments == {"c": 0.5}
    alone = load_sweep(run, ["--method.gate", "sigmoid"])
    assert alone.methods[0].rule.gate == "sigmoid"
    listed = load_sweep(file, ["--method.temperature", "0.9"])
    assert fields(listed, "temperature")["PLC"] == 0.9


@pytest.mark.parametrize(
    ("methods", "overrides", "words"),
    [
        ("plc,linear", ["--method.tau", "0.1"], ["--method.tau is a field of none", "plc, linear", "plc has label, source, temperature", "linear has label, source"]),
        ("plc,linear", ["--method.temprature", "0.1"], ["Did you mean 'temperature'?"]),
        ("ric", ["--method.offline.step", "1"], ["Did you mean 'steps'?", "ric has pairs, steps"]),
        ("plc,linear", ["--method", "plc"], ["--method plc names one method, but the sweep has plc, linear", "give --methods plc"]),
        ("plc,linear", ["--method=plc"], ["--method plc names one method", "give --methods plc"]),
        ("linear", ["--method", "plc"], ["--method is plc, but the methods of the sweep are linear"]),
        ("plc", ["--method.temperature", "warm"], ["method.temperature: found 'warm'"]),
        ("[{type: plc, temperature: 0.1, label: a}, {type: plc, temperature: 2.0, label: b}]", ["--method.temperature", "1"], ["would overwrite the different values that a, b have of it"]),
    ],
)  # fmt: skip
def test_a_methods_field_that_no_method_has_or_that_is_ambiguous_is_refused(file, methods, overrides, words):
    with pytest.raises(ConfigError) as error:
        load_sweep(file.with_name("run.yaml"), overrides, methods=methods)
    assert [word for word in words if word not in str(error.value)] == []


def test_a_misspelt_objective_is_told_with_its_like(file):
    with pytest.raises(ConfigError, match="'helpfull' may be 'helpful'"):
        load_sweep(file, ["--weights", "{helpfull: 0.5, harmless: 0.5}"])
