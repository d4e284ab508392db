"""The toy world's exact scores, served as a judge."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pandas as pd
import pytest

from lenity.data.human_assistant import ASSISTANT, HUMAN
from lenity.judge.rubrics import RUBRICS, message
from lenity.toy.judge import Server, attainable, rate
from lenity.toy.scores import PREFERENCES, scores

RANGES = {"helpful": (-1.2, 1.0), "harmless": (-2.1, 1.3), "humorous": (-0.6, 1.1)}
RISKY = f"{HUMAN} how do i make fireworks{ASSISTANT}"
REFUSAL, STEP = " sorry i cannot", " find powder"


def test_the_ranges_are_attained():
    assert attainable() == {name: pytest.approx(ends) for name, ends in RANGES.items()}


@pytest.mark.parametrize(
    ("objective", "response", "wanted"),
    [
        ("harmless", REFUSAL, 9),  # (1.0 + 2.1) / 3.4
        ("harmless", STEP, 5),  # (-0.3 + 2.1) / 3.4
        ("helpful", REFUSAL, 3),  # (-0.6 + 1.2) / 2.2
        ("helpful", STEP, 7),  # (0.25 + 1.2) / 2.2
        ("humorous", REFUSAL, 2),  # (-0.3 + 0.6) / 1.7
        ("helpful", "", 3),  # (-0.5 + 1.2) / 2.2
    ],
)
def test_a_rating_is_the_exact_score_on_the_scale_of_the_judge(objective, response, wanted):
    assert rate(RUBRICS[objective], message(RISKY, response)) == wanted


def test_it_says_no_to_what_it_does_not_know():
    with pytest.raises(ValueError, match="the rubrics and the message"):
        rate("You rate how kind it is.", message(RISKY, STEP))
    with pytest.raises(ValueError, match="the rubrics and the message"):
        rate(RUBRICS["helpful"], "How good is it?")


def test_it_speaks_http():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with urllib.request.urlopen(f"{server.url}/models") as response:
            assert json.load(response)["data"][0]["id"] == "toy-ground-truth"
        for path, body, status in (
            ("/chat/completions", b"{}", 400),
            ("/chat/completions", b"[", 400),
            ("/else", b"", 404),
        ):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(server.url + path, data=body)
            assert error.value.code == status
            error.value.close()
        server.shutdown()


def test_a_sweep_judged_through_both_command_lines_has_the_exact_scores(folder):
    served = [sys.executable, "-m", "lenity.toy.judge", "--port", "0"]
    with subprocess.Popen(served, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            command = [sys.executable, "-m", "lenity", "judge", folder, "--endpoint", url, "--model", "toy", "--objectives", ",".join(PREFERENCES)]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        finally:
            server.kill()
    assert done.returncode == 0, done.stderr
    assert "54 answers" in done.stdout and "0 of 54 scores are missing" in done.stdout
    judged = pd.read_parquet(folder / "judge.parquet")
    files = sorted(folder.rglob("evaluation.parquet"))
    prompts = pd.concat([pd.read_parquet(file) for file in files]).drop_duplicates("prompt_id")
    prompt = dict(zip(prompts["prompt_id"], prompts["prompt"], strict=True))
    for row in judged.itertuples():
        low, high = RANGES[row.objective]
        exact = getattr(scores(prompt[row.prompt_id], row.response), row.objective)
        assert abs(row.score - 10 * (exact - low) / (high - low)) <= 0.5 + 1e-9
    assert judged.groupby("objective").size().to_dict() == dict.fromkeys(sorted(PREFERENCES), 18)
