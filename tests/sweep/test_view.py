"""What a sweep shows and records: states of runs, time left, lines and table, sweep.json."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import tiny
from lenity.errors import CheckpointError
from lenity.pareto.weights import points
from lenity.runs.folder import RunFolder
from lenity.sweep.live import watch
from lenity.sweep.pace import Pace, Underway
from lenity.sweep.plan import plan
from lenity.sweep.record import Outcome, Record
from lenity.sweep.state import done, state
from lenity.sweep.table import table


@pytest.fixture
def runs(tmp_path):
    config = tiny.run_config("m", "unused", iterations=10)
    return plan(config, ["plc", "soups"], points(list(config.rewards), ["corners", "centre"]), tmp_path)


def write_rows(config, count, **more):
    rows = [{"iteration": i, "standardised": {"helpful": 0.5}, "kl": 1.25, **more} for i in range(count)]
    Path(config.output).mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows) + '{"iteration": 9'  # a line that is being written
    (Path(config.output) / "metrics.jsonl").write_text(text)


def test_a_run_that_would_be_evaluated_otherwise_is_not_done(runs):
    config = runs[0]
    write_rows(config, 10, tokens=50)
    folder = RunFolder(config.output)
    folder.adapter.mkdir()
    for file in (folder.adapter / "adapter_config.json", folder.path / "README.md", folder.path / "evaluation.parquet"):
        file.touch()
    (folder.path / "config.yaml").write_text(yaml.safe_dump(config.dump()))
    greedy = {"evaluation": config.evaluation.model_copy(update={"temperature": 0.0})}
    more = {"held_out_rewards": {"again": config.rewards["helpful"]}}
    assert done(config) and not done(config.model_copy(update=greedy)) and not done(config.model_copy(update=more))


def test_state_counts_whole_lines_and_stops_at_the_budget(runs):
    write_rows(runs[0], 3, tokens=50)
    assert (state(runs[0]).rows, state(runs[0]).of) == (3, 10)
    budget = runs[0].budget.model_copy(update={"tokens": 220})
    assert state(runs[0].model_copy(update={"budget": budget})).of == 5
    assert (state(runs[-1]).rows, state(runs[-1]).of) == (0, 0), "soups train nothing"


def test_time_left_is_work_over_jobs_but_at_least_the_longest_run(runs):
    trained, derived = [run for run in runs if not run.method.sources], runs[-1]
    pace = Pace(jobs=2)
    assert pace.left(trained, []) is None
    assert pace.left([trained[1]], [Underway(trained[0], 30.0, 0.25)]) == pytest.approx((90 + 120) / 2)
    pace.learn(trained[0], 100.0)
    assert pace.left([trained[1]] * 4, []) == pytest.approx(200)
    assert pace.left([], [Underway(trained[0], 50.0, 0.5)]) == pytest.approx(50)
    assert pace.left([derived], []) == pytest.approx(10 / 2)
    pace.learn(derived, 4.0)
    assert pace.left([derived], []) == pytest.approx(2)


def test_a_line_a_finished_run_outside_a_terminal(runs):
    out = io.StringIO()
    with watch(runs, 1, {runs[1].output}, Console(file=out, width=300)) as view:
        view.started(runs[0])
        view.ended(runs[0], Outcome(runs[0].output, 60.0))
        view.ended(runs[1], Outcome(runs[1].output, 55.0))
        view.ended(runs[2], Outcome(runs[2].output, 1.0, "Traceback\nValueError: no"))
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[1/8] done plc/helpful1 · 60 s · about ") and lines[0].endswith(" left")
    assert "kept plc/harmless1" in lines[1] and "failed plc/" in lines[2] and lines[2].endswith("ValueError: no")


def test_a_row_a_method_and_the_runs_in_progress_on_a_terminal(runs):
    out = io.StringIO()
    with watch(runs, 1, console=Console(file=out, width=120, force_terminal=True)) as view:
        view.started(runs[0])
        write_rows(runs[0], 4)
    text = out.getvalue()
    assert "plc/helpful1 · 4/10 · helpful +0.50 · KL 1.2" in text and re.search(r"about \d s left", text)
    assert all(word in text for word in ("method", "waiting", "failed", "soups:exact"))


def test_the_record_is_whole_after_each_run_and_keeps_earlier_entries(runs, tmp_path):
    record = Record(tmp_path, runs)
    record.add(Outcome(runs[2].output, 3.0, "no"))
    record.add(Outcome(runs[0].output, 2.0))
    entries = json.loads((tmp_path / "sweep.json").read_text())
    assert [entry["run"] for entry in entries] == [runs[0].output, runs[2].output], "in the order of the plan"
    assert record.failed(runs[2].output) and record.awaits(runs[1].output) and not record.awaits(runs[0].output)
    later = Record(tmp_path, runs)
    assert later.awaits(runs[0].output) and not later.failed(runs[2].output)
    later.add(Outcome(runs[2].output, 4.0))
    assert [entry["error"] for entry in json.loads((tmp_path / "sweep.json").read_text())] == [None, None]


def test_the_plan_is_a_row_a_method_and_seed(runs):
    out = io.StringIO()
    Console(file=out, width=200).print(table(runs))
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert [row[:5] for row in rows[1:]] == [
        ["plc", "0", "3", "3", "–"], ["solo", "0", "2", "2", "–"], ["soups:exact", "0", "3", "–", "solo"],
    ]  # fmt: skip


def test_a_record_that_was_altered_is_named(runs, tmp_path):
    for text in ("{", "[1]", '[{"run": "a"}]', "{}x"):
        (tmp_path / "sweep.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"sweep\.json' is not a record of a sweep"):
            Record(tmp_path, runs)
