"""Responses without a score, as many as training allows, do not stop what only measures before it."""

from __future__ import annotations

import json

import pytest
import yaml
from click.testing import CliRunner

import made_up_measurements as measurements
import tiny
from lenity.cli.main import cli
from lenity.doctor.findings import judge

FUNCTIONS = """
def some(prompts, responses):
    return [None if i in {holes} else float(len(text)) + 0.1 * i for i, text in enumerate(responses)]

def only_whole(prompts, responses):  # the probe cuts its responses short, and none of them has a score
    return [float(len(text)) if len(text.split()) > 8 else None for text in responses]

def raises(prompts, responses):
    if len(responses) < 32:
        raise ValueError("too few")
    return [float(len(text)) for text in responses]
"""


def config_of(model, folder, name, holes="(1, 2)", **changes):
    (folder / "mine.py").write_text(FUNCTIONS.replace("{holes}", holes))
    rewards = {
        "helpful": {"type": "function", "function": f"{folder / 'mine.py'}:{name}"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    rollout = {"batch_size": 32, "max_new_tokens": 12, "min_new_tokens": 12}
    data = tiny.run_config(model, folder / "run", rewards=rewards, rollout=rollout, iterations=1, **changes).dump()
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.mark.parametrize(
    ("name", "holes"), [("some", "(1, 2)"), ("some", "(30, 31)"), ("only_whole", "()"), ("raises", "()")]
)
def test_the_estimate_before_a_training_takes_any_score(tiny_model, tmp_path, name, holes):
    """2 of 32 responses are within the tolerated 10 %, 2 of the 16 that the probe scores are not."""
    file = config_of(tiny_model, tmp_path, name, holes)
    found = CliRunner().invoke(cli, ["train", str(file), "--logging.progress", "true", "--policy.dtype", "float32"])
    assert found.exit_code == 0, found.exception
    assert "estimate" in found.output


def test_the_estimate_before_a_sweep_takes_any_score(tiny_model, tmp_path):
    file = config_of(tiny_model, tmp_path, "some")
    found = CliRunner().invoke(
        cli, ["sweep", str(file), "--points", "centre", "--output", str(tmp_path / "all"), "--dry-run"]
    )
    assert found.exit_code == 0 and "MiB on disk" in found.output and "no estimate" not in found.output


@pytest.mark.parametrize(("share", "level", "measured"), [(0.2, "warning", True), (0.0, "problem", False)])
def test_the_doctor_warns_within_the_tolerance_and_measures_the_cost(tiny_model, tmp_path, share, level, measured):
    file = config_of(tiny_model, tmp_path, "some", tolerance={"unscored": share})
    told = tmp_path / "all.json"
    found = CliRunner().invoke(cli, ["doctor", str(file), "--prompts", "16", "--json", str(told)])
    report = json.loads(told.read_text())
    levels = {finding["about"]: finding["level"] for finding in report["findings"]}
    assert levels["scores of helpful"] == level and (report["figures"]["cost"] is not None) is measured, found.output


@pytest.mark.parametrize(("rows", "level"), [(9, "warning"), (10, "problem"), (96, "problem")])
def test_the_doctors_threshold_is_the_tolerance(rows, level):
    """9 of 96 are 9.4 %, 10 are 10.4 %."""
    some = {
        "helpful": measurements.replaced(unscorable=dict.fromkeys(range(rows), "None")),
        "harmless": measurements.GOOD,
    }
    found = judge(measurements.healthy(some, tolerated=1.0 if rows == 96 else 0.1))
    assert [one.level for one in found if one.about == "scores of helpful"] == [level]
