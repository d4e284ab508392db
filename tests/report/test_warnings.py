"""Signs: each is raised by what it is about, and by that alone."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
import yaml

from lenity.report.collect import read_runs, views
from lenity.report.comparison import compare
from lenity.report.evidence import Evidence
from lenity.report.page import write_page
from lenity.report.panels.record import protocol
from lenity.report.scores import Scores
from lenity.report.warnings import signs
from made_up import write_judge, write_run, write_sweep

NAMES = ("a", "b")
POINTS = [{"a": 1.0, "b": 0.0}, {"a": 0.5, "b": 0.5}, {"a": 0.0, "b": 1.0}]


def quick(folder):
    """Evidence of few resamples."""
    runs = read_runs(folder)
    return Evidence(folder, runs, None, [compare(runs, view, draws=20) for view in views(runs)], None)


def said(folder):
    """The signs of a folder by what they say."""
    evidence = quick(folder)
    return {sign.what: sign for sign in signs(evidence, Scores.of(evidence))}


@pytest.fixture
def sweep(tmp_path):
    """Three methods at three weightings, judged, two seeds: nothing to warn of."""
    write_sweep(tmp_path, NAMES, POINTS, {"plc": 0.8, "linear": 0.5}, seeds=(0, 1))
    write_judge(tmp_path, lambda method, objective: 1.0)
    return tmp_path


def change(folder, edit, pattern="**/evaluation.parquet"):
    """Apply ``edit`` to the aligned rows of runs."""
    for file in folder.rglob(pattern):
        frame = pd.read_parquet(file)
        edit(frame, frame["policy"] == "aligned")
        frame.to_parquet(file)


def settings(folder, edit):
    for file in folder.rglob("config.yaml"):
        config = yaml.safe_load(file.read_text())
        edit(config)
        file.write_text(json.dumps(config))


def test_a_sound_sweep_has_no_sign(sweep):
    assert said(sweep) == {}


def test_a_method_that_was_added_after_judging_leaves_the_report_whole_and_is_told(sweep):
    write_sweep(sweep, NAMES, POINTS, {"mgda": 0.4}, seeds=(0, 1))
    sign = said(sweep)["6 runs are not judged"]
    assert "mgda · a1" in sign.where and f"lenity judge {sweep}" in sign.advice
    evidence = quick(sweep)
    assert [one.view.name for one in evidence.comparisons] == ["trained rewards", "held-out rewards"]
    assert "6 runs are not judged" in write_page(evidence).read_text()


def test_a_run_of_which_some_responses_are_new_is_not_judged(sweep):
    def one_more(frame, aligned):
        frame.loc[aligned & (frame["prompt_id"] == "p003"), "response"] = "new"

    change(sweep, one_more, "plc/a1_b0_seed0/evaluation.parquet")
    assert "1 run is not judged" in said(sweep)


@pytest.fixture
def falling(tmp_path):
    """A sweep in which a is gained by the trained reward and lost by the held-out one; nothing else measures b."""
    for weights in POINTS:
        for method in ("plc", "linear"):
            own = -1.0 if method == "plc" else 1.0
            write_run(
                tmp_path / "runs" / method / f"a{weights['a']}", method, weights, {"a": 1.0, "b": 1.0, "a_exact": own}, 30,
                ("a_exact",), measures={"a_exact": "a"}, varied=True,
            )  # fmt: skip
    return tmp_path


def test_a_fall_by_a_held_out_reward_of_one_objective_is_told_although_it_makes_no_view(falling):
    found = said(falling)
    hacked = found["a: the trained reward rises while the held-out reward a_exact falls"]
    assert "3 of 6 policies" in hacked.where and "plc" in hacked.where and "linear" not in hacked.where
    assert found["Held-out rewards are in no view"].where == "a_exact (not every objective is measured)"


def test_a_fall_by_a_judge_of_one_objective_is_told_although_it_makes_no_view(sweep):
    write_judge(sweep, lambda method, objective: -2.0 if method == "plc" else 1.0)
    table = pd.read_parquet(sweep / "judge.parquet")
    table[table["objective"] == "a"].to_parquet(sweep / "judge.parquet")
    found = said(sweep)
    assert "plc" in found["a: the trained reward rises while the judge falls"].where
    assert found["The judge did not rate every objective"].where == "no score of b"


def test_held_out_rewards_that_do_not_say_what_they_measure_are_told(sweep):
    settings(sweep, lambda config: config["held_out_rewards"]["b_exact"].pop("measures"))
    sign = said(sweep)["Held-out rewards are in no view"]
    assert sign.where == "a_exact (not every objective is measured); b_exact (it measures no trained objective)"
    assert "measures" in sign.advice


def test_drift_in_length_kl_and_endings_is_told_where_it_is(sweep):
    def drifted(frame, aligned):
        frame.loc[aligned, ["response_tokens", "kl", "finished"]] = [30, 20.0, False]

    change(sweep, drifted, "plc/a1_b0_seed0/evaluation.parquet")
    found = said(sweep)
    where = "1 of 12 policies: plc, a 1, seed 0"
    assert (
        found["KL from the reference policy is above 15 nats per response"].where == f"{where} (20.0 [20.0, 20.0] nats)"
    )
    assert where in next(sign.where for what, sign in found.items() if what.startswith("Response length differs"))
    assert where in next(
        sign.where for what, sign in found.items() if what.startswith("The truncated share of responses")
    )
    assert len(found) == 3


def test_lengths_that_differ_on_a_few_prompts_alone_are_no_drift(sweep):
    def one_long(frame, aligned):
        frame.loc[aligned & (frame["prompt_id"] == "p000"), "response_tokens"] = 60

    change(sweep, one_long)
    assert said(sweep) == {}, "the mean is 63 % longer, but its interval includes 0"


def test_failed_runs_and_what_they_leave_uncompared_are_told(sweep):
    gone = sweep / "runs" / "plc" / "a1_b0_seed0"
    shutil.rmtree(gone)
    outcomes = [{"run": str(gone), "seconds": 3.0, "error": "ToyError: out of toys\nand more"}]
    (sweep / "sweep.json").write_text(json.dumps(outcomes))
    found = said(sweep)
    assert found["1 run failed"].where == "plc/a1_b0_seed0 (ToyError: out of toys)"
    assert found["Not all weights and seeds are compared"].where == "2 of 3 weightings are"


def test_seeds_that_the_methods_do_not_share_are_not_in_the_intervals(sweep):
    for folder in (sweep / "runs" / "plc").glob("*_seed1"):
        shutil.rmtree(folder)
    found = said(sweep)
    assert found["One seed"].where == "seed 0"
    assert found["Not all weights and seeds are compared"].where == "1 of 2 seeds are"
    terms = dict(protocol(quick(sweep)))
    assert terms["Seeds"] == "0 compared, of 0, 1" and "and seeds" not in terms["Intervals"]


def test_fronts_of_unlike_numbers_of_tokens_are_told(sweep):
    for file in sweep.glob("runs/plc/*/metrics.jsonl"):
        file.write_text(file.read_text().replace('"tokens": 800', '"tokens": 960'))
    assert said(sweep)["Generated tokens of the fronts differ by more than 10 %"].where == "linear 12,000, plc 14,400"
