"""A sweep through the command line: runs, a failure that stops nothing, and a second call that does the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd
import yaml

import tiny


def sweep(folder, *more):
    command = [sys.executable, "-m", "lenity", "sweep", "base.yaml", "--output", "sweep", "--jobs", "2", *more]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_failed_run_is_recorded_and_the_others_go_on(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "unused", iterations=2, checkpoint={"every": 2})
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))
    both = ("--methods", "plc,linear", "--points", "corners,centre")
    planned = sweep(tmp_path, *both, "--dry-run")
    assert planned.returncode == 0 and not (tmp_path / "sweep").exists()
    assert "accurate to a factor of about two" in planned.stdout and " MiB on disk" in planned.stdout

    blocked = tmp_path / "sweep" / "runs" / "plc" / "helpful1"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where a folder should be")
    found = sweep(tmp_path, *both)
    assert found.returncode == 1 and "failed plc/helpful1" in found.stdout
    outcomes = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [bool(outcome["error"]) for outcome in outcomes].count(True) == 1 and len(outcomes) == 6

    blocked.unlink()
    again = sweep(tmp_path, *both)
    assert again.returncode == 0, again.stdout + again.stderr
    frame = pd.read_parquet(tmp_path / "sweep" / "evaluation.parquet")
    assert len(frame.groupby(["method", "weights"])) == 6
    assert len(frame) == 6 * 2 * 2 * 12, "runs, policies, objectives, prompts"
    report = [sys.executable, "-m", "lenity", "report", "sweep"]
    subprocess.run(report, check=True, cwd=tmp_path, capture_output=True, timeout=120)
    page = (tmp_path / "sweep" / "report.html").read_text()
    assert "hypervolume" in page and "<script src=" not in page


def test_soups_bring_their_solo_runs_and_train_nothing(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "unused", iterations=2, checkpoint={"every": 2})
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))
    found = sweep(tmp_path, "--methods", "soups,solo,morlhf", "--points", "helpful,centre")
    assert found.returncode == 0, found.stdout + found.stderr
    place = tmp_path / "sweep" / "runs"
    runs = {path.parent.relative_to(place).as_posix() for path in place.rglob("evaluation.parquet")}
    centre = "helpful0.5_harmless0.5"
    assert runs == {
        "solo/helpful1", "solo/harmless1", "soups_exact/helpful1", f"soups_exact/{centre}", "morlhf/helpful1", f"morlhf/{centre}",
    }  # fmt: skip
    frame = pd.read_parquet(tmp_path / "sweep" / "evaluation.parquet")
    corner = frame[(frame["weights"] == '{"helpful": 1.0, "harmless": 0.0}') & (frame["policy"] == "aligned")]
    responses = {method: list(part["response"]) for method, part in corner.groupby("method")}
    assert responses["soups:exact"] == responses["solo"] == responses["morlhf"]
    assert not (place / "soups_exact" / centre / "metrics.jsonl").exists()
    report = [sys.executable, "-m", "lenity", "report", "sweep", "--markdown", "page.md"]
    subprocess.run(report, check=True, cwd=tmp_path, capture_output=True, timeout=120)
