"""The study of leniency: statistics of made-up outcomes, what a second call keeps, tiny real runs, and the page."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from studies.leniency import climbs, page, toy
from studies.leniency.__main__ import main
from studies.leniency.chosen import choices, halves, most_harm, pooled
from studies.leniency.outcomes import outcomes, share
from studies.leniency.part import Part, load, measure, parts
from studies.leniency.settings import LINEAR, Setting, settings
from studies.leniency.tables import SHOWN, by_part, percent, write_csv

from lenity.errors import CheckpointError, ProtocolError
from lenity.lab.candidates import Pulse
from lenity.rules import MGDA, PLC, Linear
from lenity.sweep.config import load_sweep
from made_up import write_run

BASE = Setting(LINEAR, "linear", Linear())
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def made_up(name, **changes):
    return Setting(name, "net", PLC(gate="net"), **changes)


def wilson(count, n, z=1.959963984540054):
    """The slow twin, from Wilson 1927."""
    p, square = count / n, z * z
    middle = (p + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(p * (1 - p) / n + square / (4 * n * n))
    return middle - half, middle + half


@pytest.mark.parametrize(("count", "n"), [(0, 300), (1, 300), (150, 300), (300, 300), (3, 7)])
def test_rates_have_wilsons_interval(count, n):
    found = share(np.arange(n) < count)
    assert found.value == count / n
    assert (found.low, found.high) == pytest.approx(wilson(count, n), abs=1e-9)


def test_outcomes_of_made_up_ends():
    base = np.full(100, 0.5)
    ends = base.copy()
    ends[:10], ends[10:15], ends[15:] = 0.8, 0.3, 0.505
    linear, found = outcomes([BASE, made_up("x")], {LINEAR: base, "x": ends})
    assert (found.escape.value, found.harm.value, found.worst) == (0.1, 0.05, pytest.approx(0.2))
    assert found.regret.value == pytest.approx(1 - ends.mean())
    assert found.over.value == pytest.approx(base.mean() - ends.mean())
    assert (linear.escape.value, linear.over.value, linear.worst, linear.verdict) == (0, 0, 0, "same")


@pytest.mark.parametrize(("gain", "verdict"), [(0.1, "better"), (-0.1, "worse"), (0.0, "not clear")])
def test_a_verdict_needs_a_paired_interval_without_zero(gain, verdict):
    random = np.random.default_rng(0)
    base = random.uniform(0.2, 0.8, 200)
    ends = base + gain + 0.02 * random.normal(size=200)
    ends = ends - (ends - base).mean() * (gain == 0)
    assert outcomes([made_up("x")], {LINEAR: base, "x": ends})[0].verdict == verdict


def test_standardised_settings_have_their_own_baseline():
    reached = {LINEAR: np.full(9, 0.9), "linear, standardised": np.full(9, 0.2), "x": np.full(9, 0.5)}
    (found,) = outcomes([made_up("x", standardised=True)], reached)
    assert found.escape.value == 1.0


def test_settings_measured_in_different_worlds_are_refused():
    with pytest.raises(ProtocolError, match="same worlds"):
        outcomes([made_up("x")], {LINEAR: np.ones(3), "x": np.ones(4)})


def test_a_choice_is_made_on_one_half_only():
    """``late`` is harmful in the second half alone, which the choice does not see and the other half tells."""
    base, safe, late, wild = np.full(40, 0.5), np.full(40, 0.5), np.full(40, 0.5), np.full(40, 0.5)
    safe[[0, 20]], late[[0, 1]], late[30], wild[:3], wild[5] = 0.9, 0.9, 0.1, 0.9, 0.0
    reached = {
        "one_k2": {LINEAR: base, "safe": safe, "late": late, "wild": wild},
        "two_k2": dict.fromkeys((LINEAR, "safe", "late", "wild"), base),
    }
    chosen = [BASE, made_up("safe"), made_up("late", climb="kept"), made_up("wild")]
    first, second = halves(reached)
    found = {name: setting and setting.name for name, setting in choices(first, chosen).items()}
    assert found == {
        "never harmful, most escapes, of what a run can name": "safe",
        "never harmful, most escapes, of all": "late",
        "least regret, of what a run can name": "wild",
        "least regret, of all": "late",
    }
    assert most_harm(second, chosen)["late"] == (pytest.approx(0.05), "one_k2")
    assert len(pooled(first)[LINEAR]) == 40


def test_settings_have_names_of_their_own_and_baselines():
    found = settings()
    names = [setting.name for setting in found]
    assert len(set(names)) == len(names) and {setting.baseline for setting in found} <= set(names)
    assert set(SHOWN) <= set(names)
    assert (
        sum(
            setting.kind in {"sigmoid", "centered", "net", "entropic"}
            and not setting.novel
            and not setting.standardised
            for setting in found
        )
        == 4 * 7 * 7
    )


FEW = [
    BASE,
    made_up("net"),
    Setting("mgda", "mgda", MGDA()),
    made_up("kept", climb="kept"),
    made_up("stalled", climb="stalled"),
]


@pytest.mark.parametrize("part", parts(3), ids=lambda part: part.name)
def test_three_worlds_of_each_part(part, tmp_path):
    found = load(measure(part, FEW, tmp_path), FEW)
    ends = np.array(list(found.values()))
    assert ends.shape == (5, 3) and (ends > -1e-6).all() and (ends < 1 + 1e-6).all()
    assert (found[LINEAR] > 0.1).any()


def test_what_is_measured_is_kept_and_what_changed_is_measured_again(tmp_path, monkeypatch):
    part, ran = Part("bandits", 2, 3), []

    def counted(problem, rule, pace):
        ran.append(rule)
        return problem.start[:, 0]

    monkeypatch.setitem(climbs.CLIMBS, "plain", counted)
    file = measure(part, FEW[:2], tmp_path)
    before = json.loads(file.read_text())
    measure(part, FEW[:2], tmp_path)
    assert len(ran) == 2 and json.loads(file.read_text()) == before
    changed = replace(FEW[1], rule=PLC(gate="net", temperature=2.0))
    with pytest.raises(CheckpointError, match="no results of 'net' as it is now"):
        load(file, [changed])
    measure(part, [FEW[0], changed], tmp_path)
    assert ran[2:] == [changed.rule]
    measure(Part("bandits", 2, 4), [FEW[0]], tmp_path)
    assert len(ran) == 4 and list(json.loads(file.read_text())["values"]) == [LINEAR], "other worlds, so nothing stays"


def test_an_interrupted_part_goes_on(tmp_path, monkeypatch):
    part, ran = Part("bandits", 2, 3), []
    monkeypatch.setattr("studies.leniency.part.EVERY", 0.0)

    def stops(name):
        ran.append(name)
        if len(ran) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(part, FEW, tmp_path, stops)
    assert list(json.loads((tmp_path / "bandits_k2.json").read_text())["values"]) == [LINEAR, "net"]
    assert set(load(measure(part, FEW, tmp_path), FEW)) == {setting.name for setting in FEW}


def test_leniency_0_is_linear_in_every_climb():
    problem, pace = Part("valleys", 3, 4).problem(), climbs.Pace(20, 0.4)
    linear = climbs.plain(problem, Linear(), pace)
    for climb in (climbs.plain, climbs.stalled):
        torch.testing.assert_close(climb(problem, PLC(leniency=0.0), pace), linear)


def test_the_best_kept_is_no_worse_than_the_end_and_than_the_middle():
    problem, pace = Part("peaks", 2, 6).problem(), climbs.Pace(40, 0.4)
    rule = PLC(temperature=0.1)
    kept = climbs.kept(problem, rule, pace)
    assert (kept >= climbs.plain(problem, rule, pace) - 1e-12).all()
    assert (kept >= climbs.plain(problem, rule, climbs.Pace(20, 0.4)) - 1e-12).all()


def test_a_pulse_is_linear_before_and_after():
    rule = Pulse(begin=0.2, fall=0.5, end=0.7)
    assert [round(rule.at(t).leniency, 6) for t in (0, 0.19, 0.2, 0.5, 0.6, 0.7, 1)] == [0, 0, 1, 1, 0.5, 0, 0]


@pytest.fixture
def sweeps(tmp_path):
    """Runs of three methods in three conditions; noise lowers linear scalarisation alone."""
    for name in ("settings", "normalise_none", "noise_40"):
        noise = int(name.removeprefix("noise_")) / 100 if name.startswith("noise_") else 0
        for method, strength in ((LINEAR, 1 - noise), ("sigmoid-0.5", 1.2), ("sigmoid-0.5-linear-0.6", 1.0)):
            for seed in (0, 1):
                for weights in ({"a": 0.25, "b": 0.75}, {"a": 0.75, "b": 0.25}):
                    folder = tmp_path / "sweeps" / name / "runs" / method / f"a{weights['a']}_{seed}"
                    shift = {k: strength * w for k, w in weights.items()}
                    write_run(folder, method, weights, shift, seed=seed, kl=2 + strength)
    return tmp_path / "sweeps"


def test_conditions_are_compared_within_and_with_the_clean_one(sweeps):
    found = toy.read(sweeps)
    assert list(found) == ["settings", "normalise_none", "noise_40"]
    rows = [line.split(" | ") for line in toy.lost(found, ["settings", "noise_40"]).splitlines()[2:]]
    by_method = {row[0].strip("| "): row for row in rows}
    assert by_method[LINEAR][3].startswith("-0.500 ["), "0.4 of a mean squared weight of 0.625, scores doubled"
    assert by_method["sigmoid-0.5"][4].startswith("0.500 [")
    assert "| linear |" in toy.table(found["settings"]) and found["settings"].over_paper[LINEAR].value == pytest.approx(
        -0.25
    )
    assert "2.000 [" not in toy.table(found["settings"]) and "3.200 [" in toy.table(found["settings"])
    assert toy.conditions(found, ["settings", "normalise_none"]).count("\n") == 1 + 6


def test_the_page_says_what_is_missing_and_holds_what_is_there(sweeps, tmp_path):
    named = []
    empty = page.write_page(tmp_path / "none", tmp_path / "none", tmp_path / "empty.md", named.append)
    assert len(set(named)) == len(named) == page.steps()
    assert [file.name for file in empty] == ["empty.md"]
    assert empty[0].read_text().count(page.MISSING) == 15
    files = page.write_page(tmp_path / "none", sweeps, tmp_path / "leniency.md")
    assert [file.name for file in files] == ["leniency.md", "leniency_toy.png", "leniency_toy.svg"]
    assert files[0].read_text().count(page.MISSING) == 9


def test_tables_of_one_part(tmp_path):
    random = np.random.default_rng(1)
    reached = {"valleys_k6": {setting.name: random.uniform(size=8) for setting in settings()}}
    text = by_part(reached, settings())
    assert text.startswith("### Valleys, 6 objectives\n\n8 worlds;") and text.count("\n| ") == 2 + len(SHOWN)
    lines = write_csv(reached, settings(), tmp_path / "all.csv").read_text().splitlines()
    assert len(lines) == 1 + len(settings()) and len(lines[0].split(",")) == 17
    assert percent(share(np.zeros(4, bool))).startswith("0.0 [0.0")


@pytest.mark.slow
def test_the_command_line(tmp_path, monkeypatch):
    short = [setting for setting in settings() if setting.name in {*SHOWN[:5], "linear, standardised"}]
    monkeypatch.setattr("studies.leniency.settings.settings", lambda: short)
    options = ["worlds", "--count", "3", "--families", "bandits", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bandits_k2.json", "bandits_k3.json", "bandits_k6.json"]


def test_sweeps_of_the_study_name_their_methods_alike():
    found = {name: load_sweep(CONFIGS / f"sweep_study_{name}.yaml") for name in ("toy", "toy_few", "hh")}
    methods = {name: {method.label or LINEAR: method for method in sweep.methods} for name, sweep in found.items()}
    assert methods["toy_few"].items() <= methods["toy"].items() and methods["hh"].items() <= methods["toy"].items()
    assert len(found["toy"].seeds) >= 5 and len(found["hh"].seeds) >= 3
    assert found["toy"].run == found["toy_few"].run
