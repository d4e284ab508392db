"""Rewards that raise, hang or give what is no score: what they cost, what they cannot break, and when a run stops."""

from __future__ import annotations

import contextlib
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
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.rewards.asking import ask, score_all
from lenity.rewards.base import Reward
from lenity.rewards.function import FunctionReward, FunctionSpec
from lenity.rewards.no_score import NoScore
from lenity.rewards.standardise import Standardiser
from lenity.runs.folder import RunFolder
from lenity.training.calibration import measure

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
FAULTS = {  # body after the calls that go well; how many of 8 rows of each later batch have no score
    "NaN": ("rows[1] = float('nan')", 1, "nan"),
    "None": ("rows[1] = None", 1, "None"),
    "infinity": ("rows[1] = -float('inf')", 1, "-inf"),
    "text": ("rows[1] = 'seven'", 1, "'seven'"),
    "raises for one row": (
        "global bad\n    bad = responses[1] if len(responses) > 1 else bad\n    if bad in responses: raise ValueError('cannot read this')",
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
        "helpful": {"type": "function", "function": f"{file}:score", "timeout": 1},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    return tiny.run_config(model, folder / "run", rewards=rewards, **changes), file


@pytest.mark.parametrize("fault", [name for name, (_, rows, _) in FAULTS.items() if rows != 8])
def test_few_faulty_rows_are_counted_and_training_goes_on(tiny_model, tmp_path, fault):
    body, rows, _ = FAULTS[fault]
    config, _ = config_of(
        tiny_model, tmp_path, body, tolerance={"unscored": 0.5}, logging={"samples": 8, "progress": False}
    )
    run = train(config)
    found = run.metrics()
    assert run.finished and [row["unscored"]["harmless"] for row in found] == [0, 0, 0]
    counts = [row["unscored"]["helpful"] for row in found]
    assert counts[0] == 0 and all(rows in (None, count) and 1 <= count <= 4 for count in counts[1:])
    samples = [
        json.loads(line, parse_constant=pytest.fail) for line in (run.path / "samples.jsonl").read_text().splitlines()
    ]
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


def test_an_evaluation_leaves_no_response_out(tiny_model, tmp_path):
    config, file = config_of(tiny_model, tmp_path, "pass", iterations=1)
    run = train(config)
    file.write_text(f"{SCORE.replace('calls <= 2', 'False')}    rows[3] = None\n    return rows\n")
    with pytest.raises(RewardError, match=r"for 1 of 12 responses: row 3, prompt .*: None") as error:
        evaluate(run)
    assert "tolerance" not in str(error.value)


def test_an_example_without_all_its_scores_is_not_learned_from(tiny_model, tmp_path):
    method = {"type": "ric", "offline": {"steps": 2}, "online": {"samples": 24, "steps": 2}, "batch_size": 8}
    config, file = config_of(tiny_model, tmp_path, "rows[3] = None", method=method, tolerance={"unscored": 0.05})
    file.write_text(file.read_text().replace("calls <= 2", "calls <= 1"))  # each of its parts loads the function anew
    offline, online = train(config).metrics()
    assert (offline["examples"], offline["unscored"], offline["reward_calls"]) == (
        80,
        {"helpful": 0, "harmless": 0},
        160,
    )
    assert (online["examples"], online["unscored"], online["reward_calls"]) == (23, {"helpful": 1, "harmless": 0}, 48)
    assert math.isfinite(online["reward"]["helpful"]) and online["kept"] <= 2 * 23


class Scripted(Reward):
    """Whatever ``answer`` gives for the responses."""

    def __init__(self, answer, timeout=None):
        self._answer, self.timeout = answer, timeout

    def score(self, prompts, responses):
        return self._answer(responses)


def asked(answer, responses=("a", "b", "c"), timeout=None):
    """Scores, or why there is none."""
    found = ask(Scripted(answer, timeout), ["p"] * len(responses), list(responses))
    return [score.why if isinstance(score, NoScore) else score for score in found]


def test_what_is_a_score_and_what_is_none():
    values = [
        1,
        True,
        np.float32(2.5),
        torch.tensor(3.0),
        1e39,
        "1",
        b"1",
        None,
        float("nan"),
        [1.0],
        NoScore("too long"),
    ]
    found = asked(lambda responses: values, ["x"] * len(values))
    assert found == [1.0, 1.0, 2.5, 3.0, "1e+39", "'1'", "b'1'", "None", "nan", "[1.0]", "too long"]
    assert all(type(score) is float for score in found[:4])


def test_a_call_that_fails_is_repeated_a_response_at_a_time():
    calls = []

    def score(responses):
        calls.append(list(responses))
        return [1 / (len(text) - 1) for text in responses]

    assert asked(score, ["aa", "b", "cccc"]) == [1.0, "ZeroDivisionError: division by zero", 1 / 3]
    assert calls == [["aa", "b", "cccc"], ["aa"], ["b"], ["cccc"]]
    assert asked(lambda responses: list(dict.fromkeys(responses, 2.0).values()), ["a", "a"]) == [2.0, 2.0]


def test_the_sign_turns_scores_and_leaves_reasons():
    found = FunctionReward(lambda prompts, responses: [2.0, None], sign=-1).score(["p"] * 2, ["a", "b"])
    assert found[0] == -2.0 and found[1].why == "None"


def test_a_hang_ends_and_what_was_scored_before_it_is_kept():
    def score(responses):
        if len(responses) > 1:
            raise ValueError
        if responses == ["b"]:
            while True:  # waits that catch what ends them go on
                with contextlib.suppress(Exception):
                    time.sleep(0.01)
        return [4.0]

    start = time.monotonic()
    assert asked(score, timeout=0.3) == [4.0, "no answer within 0.3 seconds", "no answer within 0.3 seconds"]
    assert time.monotonic() - start < 3


def test_a_time_limit_leaves_the_callers_timer_and_handler():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        handler = signal.getsignal(signal.SIGALRM)
        assert asked(lambda responses: time.sleep(5), timeout=0.1) == ["no answer within 0.1 seconds"] * 3
        assert signal.getsignal(signal.SIGALRM) is handler and not rung
        time.sleep(0.4)
        assert rung == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_elsewhere_than_in_the_main_thread_there_is_no_limit():
    found = []
    thread = threading.Thread(target=lambda: found.extend(asked(lambda r: time.sleep(0.2) or [1.0] * 3, timeout=0.05)))
    thread.start()
    thread.join()
    assert found == [1.0] * 3


@pytest.mark.parametrize(
    ("tolerated", "without", "stops"),
    [(0.0, 1, True), (0.25, 1, False), (0.25, 2, True), (1.0, 3, False), (1.0, 4, True)],
)
def test_the_tolerated_share(tolerated, without, stops):
    reward = Scripted(lambda responses: [math.nan] * without + [1.0] * (4 - without))
    arguments = {"mine": reward}, ["\n\nHuman: Why?\n\nAssistant:"] * 4, [" So."] * 4, tolerated
    if not stops:
        assert sum(map(math.isnan, score_all(*arguments)["mine"])) == without
        return
    with pytest.raises(
        RewardError,
        match=rf"'mine' is not a finite number for {without} of 4 responses.*row 0, prompt .*Why.*' So.': nan",
    ):
        score_all(*arguments)


class FromAList:
    """A generator of given responses, and a policy without an adapter."""

    def __init__(self, responses):
        self.responses, self.model = responses, self

    def eval(self):
        return self

    def disable_adapter(self):
        return contextlib.nullcontext()

    max_new_tokens = 1

    def generate(self, prompts, advance, draws):
        self.prompts = prompts
        return self


def test_constants_are_those_of_the_scored_responses():
    responses = ["a", "bbb", "", "ccccc"]
    reward = Scripted(lambda texts: [float(len(text)) or None for text in texts])
    found = measure(FromAList(responses), {"mine": reward}, ["p"] * 4, 4, None, tolerated=0.25)
    assert found == Standardiser({"mine": 3.0}, {"mine": 2.0}, {"mine": 3})
    assert found.apply("mine", [5.0, math.nan])[0] == 1.0 and math.isnan(found.apply("mine", [math.nan])[0])
    with pytest.raises(RewardError, match=r"for 1 of 4 responses: row 2, prompt ...'p', response '': None"):
        measure(FromAList(responses), {"mine": reward}, ["p"] * 4, 4, None)


def test_a_limit_is_a_field():
    assert FunctionSpec(function="math:pow").timeout == 600
    assert FunctionSpec(function="math:pow", timeout=None).load(torch.device("cpu")).timeout is None
