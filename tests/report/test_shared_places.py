"""What is compared where methods do not have the same weights and seeds: on what they share, and nothing is left out in silence."""

from __future__ import annotations

import json
import shutil
from itertools import product

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import tiny
from lenity.cli.report import command
from lenity.pareto.metrics import hypervolume
from lenity.report.collect import View, read_all, read_runs
from lenity.report.comparison import compare
from lenity.report.coverage import left_out
from lenity.report.evidence import Evidence
from lenity.report.places import blocks, pairs
from lenity.report.tables import presence
from made_up import write_run, write_sweep

NAMES = ("a", "b")
CORNERS, CENTRE = [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}], {"a": 0.5, "b": 0.5}
LATTICE = [CORNERS[0], CENTRE, CORNERS[1]]
VIEW = View("trained rewards", {"a": "a", "b": "b"})
ALL, FEW = "abc", "ac"  # three weights, and its corners


def places(weights, seeds=(0,)):
    return set(product(weights, seeds))


def shown(sets):
    return [("".join(block.weights), block.seeds, " ".join(block.methods)) for block in blocks(sets)]


def test_methods_with_the_same_places_are_one_comparison():
    sets = dict.fromkeys(("plc", "linear", "soups"), places(ALL, (0, 1)))
    assert shown(sets) == [("abc", (0, 1), "plc linear soups")] and pairs(sets) == []


def test_a_method_with_corners_alone_takes_no_weights_from_the_others():
    sets = {"plc": places(ALL), "linear": places(ALL), "soups": places(ALL), "solo": places(FEW)}
    assert shown(sets) == [("abc", (0,), "plc linear soups"), ("ac", (0,), "plc linear soups solo")]
    assert [(pair.methods, "".join(pair.weights)) for pair in pairs(sets)] == [
        (("plc", "solo"), "ac"), (("linear", "solo"), "ac"), (("soups", "solo"), "ac"),
    ]  # fmt: skip


@pytest.mark.parametrize("others", [["plc"], ["plc", "linear"], ["plc", "linear", "soups", "ppo"]])
@pytest.mark.parametrize("objectives", range(2, 9))
def test_mixed_weights_come_first_however_many_methods_and_corners_there_are(others, objectives):
    corners = [f"w{k}" for k in range(objectives)]
    sets = {name: places([*corners, "centre"]) for name in [*others, "soups2"]} | {"solo": places(corners)}
    assert blocks(sets)[0].methods == (*others, "soups2") and "centre" in blocks(sets)[0].weights


def test_where_nothing_is_shared_nothing_is_compared():
    sets = {"plc": places("a"), "linear": places("b")}
    assert blocks(sets) == [] and [pair.weights for pair in pairs(sets)] == [()]


def test_a_method_that_shares_with_no_other_does_not_stop_their_comparison():
    sets = {"plc": places(ALL), "linear": places(ALL), "ppo": places("d")}
    assert shown(sets) == [("abc", (0,), "plc linear")]


def test_methods_that_lack_different_weights_each_are_in_a_comparison():
    sets = {"plc": places("bcd"), "linear": places("acd"), "soups": places("abcd")}
    assert shown(sets) == [("bcd", (0,), "plc soups"), ("acd", (0,), "linear soups")]
    assert tuple("".join(p.weights) for p in pairs(sets) if p.methods == ("plc", "linear")) == ("cd",)


def test_seeds_that_a_weight_lacks_cost_as_few_runs_as_can_be():
    """A third seed at one weight alone does not leave that weight alone."""
    ragged = places(ALL, (0, 1)) | {("a", 2)}
    assert shown({"plc": ragged, "linear": ragged}) == [("abc", (0, 1), "plc linear")]
    assert shown({"plc": places(ALL, (0, 1)), "linear": places(ALL)}) == [("abc", (0,), "plc linear")]
    one = places("a", (0, 1, 2, 3)) | places("bc")
    assert shown({"plc": one, "linear": one}) == [("a", (0, 1, 2, 3), "plc linear")]


@pytest.fixture
def soups(tmp_path):
    """The sweep of the issue: three methods at three weights, and the solo runs that soups were made from."""
    write_sweep(tmp_path, NAMES, LATTICE, {"plc": 0.8, "linear": 0.5, "soups:exact": 0.3}, held_out=False)
    write_sweep(tmp_path, NAMES, CORNERS, {"solo": 0.6}, held_out=False)
    record(tmp_path, lambda method: ["soups:exact"] if method == "solo" else [])
    return tmp_path


def record(folder, made_for):
    runs = sorted(file.parent for file in folder.rglob("runs/*/*/evaluation.parquet"))
    entries = [{"run": str(run), "seconds": 1.0, "error": None, "made_for": made_for(run.parent.name)} for run in runs]
    (folder / "sweep.json").write_text(json.dumps(entries))


def quick(*folders):
    every = read_all(*folders)
    runs, helpers = [run for run in every if not run.made_for], [run for run in every if run.made_for]
    found = [compare(runs, VIEW, draws=40)]
    return Evidence(folders[0], runs, None, found, None, helpers, list(folders))


def signs(evidence):
    return {sign.what: sign.where for sign in left_out(evidence)}


def rows(evidence):
    return {row[0]: row[1:] for row in presence(evidence)[1]}


def test_runs_made_for_other_methods_are_no_method_of_the_comparison(soups):
    evidence = quick(soups)
    main = evidence.main
    assert [one.method for one in main.methods] == ["linear", "plc", "soups:exact"]
    assert len(main.weights) == 3 and main.others == [] and main.pairs == [] and signs(evidence) == {}
    assert rows(evidence)["solo"] == ["2 of 3", "b 1; a 1", "0", "no: made for soups:exact"]
    assert rows(evidence)["plc"][:2] == ["3 of 3", "all"]


def test_runs_that_were_asked_for_are_compared_pair_by_pair_where_both_are(soups):
    record(soups, lambda method: [])
    main = quick(soups).main
    assert [len(one.weights) for one in main.all] == [3, 2]
    assert [one.method for one in main.others[0].methods] == ["linear", "plc", "solo", "soups:exact"]
    assert {(pair.method, pair.baseline): len(pair.weights) for pair in main.pairs} == {
        ("solo", "linear"): 2, ("plc", "solo"): 2, ("solo", "soups:exact"): 2,
    }  # fmt: skip


def test_a_pair_differs_by_what_its_runs_at_the_shared_weights_do(soups):
    record(soups, lambda method: [])
    runs = {(run.method, run.weights["a"]): run.scores(["a", "b"]) for run in read_runs(soups)}
    start = read_runs(soups)[0].scores(["a", "b"], "reference").mean(0)
    (pair,) = (pair for pair in quick(soups).main.pairs if (pair.method, pair.baseline) == ("plc", "solo"))
    fronts = {m: np.array([runs[m, a].mean(0) for a in (1.0, 0.0)]) for m in ("plc", "solo")}
    value = {m: (points[0, 0] + points[1, 1]) / 2 for m, points in fronts.items()}
    assert pair.over["scalarised value"].value == pytest.approx(value["plc"] - value["solo"])
    volume = {m: hypervolume(points, start - 1) for m, points in fronts.items()}
    assert pair.over["hypervolume"].value == pytest.approx(volume["plc"] - volume["solo"])


def test_runs_that_are_named_count_whatever_they_were_made_for(soups):
    named = sorted(path for path in soups.glob("runs/solo/*"))
    found = quick(*named, *sorted(soups.glob("runs/plc/*")), *sorted(soups.glob("runs/soups:exact/*")))
    assert {run.method for run in found.runs} == {"solo", "plc", "soups:exact"} and not found.helpers
    whole = read_runs(soups, *named)
    assert sum(run.method == "solo" for run in whole) == 2 and len(whole) == 11, "each run once"
    assert {run.method for run in read_runs(soups / "runs" / "solo")} == {"solo"}


@pytest.mark.parametrize(("user", "read"), [("soups", ["plc", "soups:exact"]), ("linear", ["linear", "plc", "solo"])])
def test_without_a_record_a_run_that_another_method_needs_counts_as_made_for_it(tmp_path, user, read):
    """A linear run that took a solo run's adapter could have trained itself, so that solo was asked for."""
    points = [{"helpful": 1.0, "harmless": 0.0}, {"helpful": 0.0, "harmless": 1.0}]
    solo = {max(p, key=p.get): str(tmp_path / "runs" / "solo" / f"{max(p, key=p.get)}1") for p in points}
    for weights in points:
        name = max(weights, key=weights.get)
        made = {"type": "soups", "solo": solo} if user == "soups" else {"type": "linear", "source": solo[name]}
        for method in ("plc", "solo", made):
            label = {"soups": "soups:exact"}.get(method["type"], method["type"]) if method is made else method
            folder = tmp_path / "runs" / label / f"{name}1"
            write_run(folder, label, weights, {})
            config = tiny.run_config("m", folder, weights=weights, method=method)
            (folder / "config.yaml").write_text(yaml.safe_dump(config.dump()))
    runs = [str(file.parent) for file in sorted(tmp_path.rglob("evaluation.parquet"))]
    (tmp_path / "sweep.json").write_text(json.dumps([{"run": run, "seconds": 1.0, "error": None} for run in runs]))
    assert sorted({run.method for run in read_runs(tmp_path)}) == read
    told = [sign.where for sign in left_out(Evidence(tmp_path, *split(tmp_path)))]
    assert ("solo, for soups:exact" in told) == (user == "soups")


def split(folder):
    every = read_all(folder)
    runs = [run for run in every if not run.made_for]
    view = View("trained rewards", {name: name for name in runs[0].weights})
    return runs, None, [compare(runs, view, draws=5)], None, [run for run in every if run.made_for]


def test_page_markdown_and_terminal_say_which_points_each_method_has(soups):
    record(soups, lambda method: [])
    write_run(soups / "runs" / "ppo" / "odd", "ppo", {"a": 0.2, "b": 0.8}, {}, varied=True)
    shutil.rmtree(soups / "runs" / "linear" / "a0.5_b0.5_seed0")
    (soups / "runs" / "linear" / "begun").mkdir()
    shutil.copy(soups / "runs" / "plc" / "a1_b0_seed0" / "config.yaml", soups / "runs" / "linear" / "begun")
    (soups / "runs" / "linear" / "begun" / "metrics.jsonl").write_text("")
    result = CliRunner(env={"COLUMNS": "300"}).invoke(
        command, [str(soups), "--markdown", str(soups / "page.md")], catch_exceptions=False
    )
    page, text = (soups / "report.html").read_text(), (soups / "page.md").read_text()
    for told in (page, text, result.output):
        assert "b 1; a 1" in told and "plc over solo" in told and "2 weightings" in told
        assert "no: it shares no weights and seeds with another method" in told
        assert "Methods are left out of the comparison" in told and "1 run not evaluated" in told
        assert "linear/begun" in told
    assert "### At 3 weightings and 1 seed: plc, soups:exact" in text
    assert "ppo and" in page and "share no weights and seeds, so they are not compared" in page
    assert "| ppo · a0.2 b0.8 |" in text, "also what is not compared is in the table of rewards"


def test_one_shared_weighting_is_compared_and_none_is_said(tmp_path):
    write_sweep(tmp_path, NAMES, LATTICE, {"plc": 0.8}, held_out=False)
    write_sweep(tmp_path, NAMES, [CENTRE], {"linear": 0.5}, held_out=False)
    main = quick(tmp_path).main
    assert main.weights == [CENTRE] and {one.method for one in main.methods} == {"plc", "linear"}
    assert "2 runs in no comparison" in signs(quick(tmp_path))
    shutil.rmtree(tmp_path / "runs" / "plc" / "a0.5_b0.5_seed0")
    evidence = quick(tmp_path)
    assert evidence.main.methods == [] and evidence.main.pairs[0].over == {}
    assert signs(evidence)["Methods are left out of the comparison"] == "linear, plc"


def test_weights_that_are_the_same_but_for_rounding_are_one_and_it_is_said(tmp_path):
    third = {"a": 1 / 3, "b": 2 / 3}
    write_sweep(tmp_path, NAMES, [third], {"plc": 0.8}, held_out=False)
    write_sweep(tmp_path, NAMES, [{"a": 0.3333, "b": 0.6667}], {"linear": 0.5}, held_out=False)
    evidence = quick(tmp_path)
    assert len(evidence.main.weights) == 1 and len(evidence.main.methods) == 2
    where = signs(evidence)["Weights that differ by rounding are treated as equal"]
    assert where == "plc a 0.333333, b 0.666667 as a 0.3333, b 0.6667"


def test_weights_that_a_method_tells_apart_stay_apart(tmp_path):
    write_sweep(tmp_path, NAMES, [{"a": 0.25, "b": 0.75}], {"plc": 0.8}, held_out=False)
    write_run(tmp_path / "runs" / "plc" / "near", "plc", {"a": 0.25004, "b": 0.74996}, {}, varied=True)
    assert len({run.weights["a"] for run in read_runs(tmp_path)}) == 2


def test_the_one_run_of_a_method_that_weights_do_not_enter_stands_at_all_of_them(tmp_path):
    write_sweep(tmp_path, NAMES, LATTICE, {"plc": 0.8}, held_out=False)
    write_sweep(tmp_path, NAMES, [CENTRE], {"mgda": 0.5}, held_out=False)
    file = next(tmp_path.glob("runs/mgda/*/config.yaml"))
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"method": {"type": "mgda"}}))
    evidence = quick(tmp_path)
    assert len(evidence.main.weights) == 3 and len(evidence.main.methods) == 2
    assert rows(evidence)["mgda"][1] == "all: one policy, whose training does not depend on the weights"
    costs = {one.method: one.cost.runs for one in evidence.main.methods}
    assert costs == {"plc": 3, "mgda": 1}
