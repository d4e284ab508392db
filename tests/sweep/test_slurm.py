"""The scripts for Slurm, carried out as Slurm does: each script with its position in the array; and what is collected of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

import tiny
from lenity.errors import DataError
from lenity.pareto.weights import points
from lenity.sweep.placement import Placement
from lenity.sweep.plan import plan
from lenity.sweep.slurm import stages, write_and_collect

SLURM = Placement("slurm", cpus=1.0)
SBATCH = """#!/usr/bin/env bash
# Stands in for Slurm: carries a script out at once, once for each position of its array, and prints the number of the job.
script="${@: -1}"
echo "$*" >> "$LOG"
positions=$(sed -n 's/^#SBATCH --array=//p' "$script" | sed 's/%.*//' | tr ',' '\\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done)
if [ -z "$positions" ]; then bash "$script" >&2 || true; fi
for position in $positions; do SLURM_ARRAY_TASK_ID=$position bash "$script" >&2 || true; done
echo "$(wc -l < "$LOG");cluster"
"""


def planned(folder, **changes):
    config = tiny.run_config("m", "unused", **changes)
    return plan(config, ["plc", "soups"], points(list(config.rewards), ["corners", "centre"]), folder)


def test_runs_made_from_others_come_after_them(tmp_path):
    runs = planned(tmp_path)
    first, second = stages(runs)
    assert all(not runs[i].method.sources for i in first) and all(runs[i].method.sources for i in second)
    assert sorted(first + second) == list(range(len(runs))) and len(stages(runs[-1:])) == 1


@pytest.mark.parametrize("name", ["plain", 'it\'s a "folder" $HOME'])
def test_scripts_are_sound_and_say_what_each_run_may_use(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    runs = planned(Path("all of it"))
    found = write_and_collect(runs, Path("all of it"), Placement("slurm", jobs=3, cpus=8.0, gpus=2.0))
    assert found.left == len(runs) == 8 and not found.outcomes and found.shared is None
    scripts = sorted(Path("all of it/slurm/1").glob("*.sh"))
    assert [script.stem for script in scripts] == ["runs1", "runs2", "shared"]
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
        text = script.read_text()
        assert "#SBATCH --cpus-per-task=8\n" in text and "#SBATCH --gres=gpu:2\n" in text and "--requeue" in text
    assert "#SBATCH --array=0-4%3\n" in scripts[0].read_text() and "#SBATCH --array=5-7%3\n" in scripts[1].read_text()
    assert "--array" not in scripts[2].read_text()
    assert found.commands == [
        "shared=$(sbatch --parsable 'all of it/slurm/1/shared.sh')",
        "runs1=$(sbatch --parsable --dependency=afterok:${shared%;*} 'all of it/slurm/1/runs1.sh')",
        "runs2=$(sbatch --parsable --dependency=afterany:${runs1%;*} 'all of it/slurm/1/runs2.sh')",
    ]
    again = write_and_collect(runs, Path("all of it"), SLURM)
    assert "slurm/2/" in again.commands[0] and Path("all of it/slurm/1/tasks.json").is_file(), (
        "jobs in the queue keep theirs"
    )


def sweep(folder):
    command = [sys.executable, "-m", "lenity", "sweep", "base.yaml", "--methods", "linear,solo", "--points", "helpful",
               "--output", "sweep", "--executor", "slurm"]  # fmt: skip
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, timeout=120)


def submit(folder, text):
    """Run the commands that were printed; what ``sbatch`` was asked for."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "sbatch").write_text(SBATCH)
    (folder / "bin" / "sbatch").chmod(0o755)
    log = folder / "log"
    log.unlink(missing_ok=True)
    commands = "\n".join(re.findall(r"^\w+=\$\(sbatch .*\)$", text, re.MULTILINE))
    environment = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LOG": str(log)}
    subprocess.run(
        ["bash", "-euc", commands], check=True, cwd=folder, env=environment, capture_output=True, timeout=300
    )
    return log.read_text().splitlines()


@pytest.mark.slow
def test_the_jobs_end_the_sweep_and_the_same_command_collects(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, "unused", iterations=2, checkpoint={"every": 2})
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))
    first = sweep(tmp_path)
    assert first.returncode == 0 and "0 of 2 runs are done." in first.stdout, first.stdout + first.stderr
    asked = submit(tmp_path, first.stdout)
    assert [line.split(" sweep/")[0] for line in asked] == [
        "--parsable", "--parsable --dependency=afterok:1", "--parsable --dependency=afterany:2"
    ]  # fmt: skip
    second = sweep(tmp_path)
    assert second.returncode == 0 and "2 of 2 runs are done." in second.stdout and "sbatch" not in second.stdout
    entries = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert len(entries) == 2 and all(entry["error"] is None and entry["seconds"] > 0 for entry in entries)
    assert len(pd.read_parquet(tmp_path / "sweep" / "evaluation.parquet")) == 2 * 2 * 2 * 12


@pytest.fixture
def job(monkeypatch):
    """The module, in this process: without libraries, and with the environment as it was at the end."""
    from lenity.sweep import job, tasks

    monkeypatch.setattr(tasks, "start", lambda threads: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return job


def raising(error):
    def function(*_):
        raise error

    return function


def test_what_failed_is_told_and_written_anew(job, tmp_path, monkeypatch):
    runs = planned(tmp_path)
    write_and_collect(runs, tmp_path, SLURM)
    monkeypatch.setattr(job.tasks, "prepare", raising(DataError("prompts are empty.", "Give some.")))
    monkeypatch.setattr(job.tasks, "align", raising(ZeroDivisionError("no")))
    assert job.main([str(tmp_path / "slurm" / "1"), "shared"]) == 1 == job.main([str(tmp_path / "slurm" / "1"), "3"])
    found = write_and_collect(runs, tmp_path, SLURM)
    assert found.shared == "prompts are empty. Give some." and found.left == len(runs)
    (outcome,) = found.outcomes
    assert outcome.run == runs[3].output and outcome.error.endswith("ZeroDivisionError: no\n")
    assert [entry["run"] for entry in json.loads((tmp_path / "sweep.json").read_text())] == [runs[3].output]
    monkeypatch.setattr(job.tasks, "prepare", lambda *_: None)
    assert job.main([str(tmp_path / "slurm" / "2"), "shared"]) == 0
    assert write_and_collect(runs, tmp_path, SLURM).shared is None


def test_a_job_that_slurm_starts_again_notes_it(job, tmp_path, monkeypatch):
    runs, given = planned(tmp_path), []
    write_and_collect(runs, tmp_path, SLURM)
    Path(runs[0].output).mkdir(parents=True)
    monkeypatch.setattr(job.tasks, "align", lambda *arguments: given.append(arguments[1:]))
    os.environ["SLURM_RESTART_COUNT"] = "2"
    assert job.main([str(tmp_path / "slurm" / "1"), "0"]) == 0
    assert given == [(str(tmp_path), False)]
    assert "Slurm started the job again, 2 times by now" in (Path(runs[0].output) / "notes.log").read_text()
    assert job.found(tmp_path, runs[0].output).error is None
