"""Rewards that raise, hang or give what is no score: what they cost, what they cannot break, and when a run stops."""

from __future__ import annotations

import json
import math
import signal
import threading
import time

import numpy as np
import pytest
import torch

import tiny
from lenity.errors import RewardError
from lenity.rewards.asking import ask, score_all
from lenity.rewards.base import Reward
from lenity.rewards.calibrate import measure
from lenity.rewards.function import FunctionReward, FunctionSpec
from lenity.rewards.no_score import NoScore
from lenity.rewards.standardise import Standardiser
from lenity.run_folder import RunFolder
from lenity.train import train

SCORE = """
import time
calls = 0

def score(prompts, responses):
    global calls
    calls += 1
    rows = [float(len(text)) + 0.01 * i for i, text in enumerate(responses)]
    if calls <= 2:  # calibration, and a first iteration that nothing is wrong with
        return rows
"""
ONE_ROW = {
    "raises": "if responses == [responses[0]] and 'one' in globals(): pass",
}
FAULTS = {  # body after the calls that go well; how many of 8 rows of each later batch have no score
    "NaN": ("rows[1] = float('nan')", 1, "nan"),
    "None": ("rows[1] = None", 1, "None"),
    "infinity": ("rows[1] = -float('inf')", 1, "-inf"),
    "text": ("rows[1] = 'seven'", 1, "'seven'"),
    "raises for one row": (
        "global bad\n    bad = responses[1] if len(responses) > 1 else bad\n"
        "    if bad in responses: raise ValueError('cannot read this')",
        None, "ValueError: cannot read this",
    ),
    "always raises": ("raise KeyError('no such word')", 8, "KeyError: 'no such word'"),
    "wrong length": ("rows = rows[1:]", 8, "0 scores for 1 response"),
    "hangs": ("time.sleep(60)", 8, "no answer within 1 seconds"),
    "gives nothing": ("rows = None", 8, "TypeError: 'NoneType' object is not iterable"),
}  # fmt: skip


def config_of(model, folder, body, **changes):
    file = folder / "mine.py"
    file.write_text(f"{SCORE}    {body}\n    return rows\n")
    rewards = {
        "helpful": {"kind": "function", "function": f"{file}:score", "timeout": 1},
        "harmless": {"kind": "function", "function": f"{tiny.__file__}:harmless"},
    }
    return tiny.run_config(model, folder / "run", rewards=rewards, **changes), file


@pytest.mark.parametrize("fault", [name for name, (_, rows, _) in FAULTS.items() if rows != 8])
def test_few_faulty_rows_are_counted_and_training_goes_on(tiny_model, tmp_path, fault):
    body, rows, _ = FAULTS[fault]
    config, _ = config_of(tiny_model, tmp_path, body, tolerance={"unscored": 0.5}, logging={"samples": 8, "progress": False})
    run = train(config)
    found = run.metrics()
    assert run.finished and [row["unscored"]["harmless"] for row in found] == [0, 0, 0]
    counts = [row["unscored"]["helpful"] for row in found]
    assert counts[0] == 0 and all(rows in (None, count) and 1 <= count <= 4 for count in counts[1:])
    samples = [json.loads(line, parse_constant=pytest.fail) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    for row in found:
        known = [s["raw"]["helpful"] for s in samples if s["iteration"] == row["iteration"]]
        known = [score for score in known if score is not None]
        assert len(known) == 8 - row["unscored"]["helpful"]
        assert row["reward"]["helpful"] == pytest.approx(np.mean(known), rel=1e-5)
        assert row["reward_std"]["helpful"] == pytest.approx(np.std(known), rel=1e-5)
    assert all(math.isfinite(value) for row in found for value in row.values() if isinstance(value, float))


@pytest.mark.parametrize("fault", FAULTS)
def test_too_many_stop_the_run_with_the_rows_and_resume_goes_on_once_mended(tiny_model, tmp_path, fault):
    body, rows, why = FAULTS[fault]
    config, file = config_of(tiny_model, tmp_path, body)
    with pytest.raises(RewardError, match="'helpful' is not a finite number for") as error:
        train(config)
    assert why in str(error.value) and f"row {0 if rows == 8 else 1}, prompt" in error.value.what
    assert "tolerance.unscored allows 10%" in error.value.what and "Return a number" in error.value.remedy
    run = RunFolder(tmp_path / "run")
    assert [row["iteration"] for row in run.metrics()] == [1]
    assert [folder.name for folder in run.checkpoints.iterdir()] == ["iteration_000001"]
    before = run.metrics()
    file.write_text(f"{SCORE}\n    return rows\n")
    again = train(config, resume=True)
    assert again.finished and again.metrics()[:1] == before and len(again.metrics()) == 3
