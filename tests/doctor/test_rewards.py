"""Measurements of rewards on toy texts, and what is said of faulty ones; no model is needed."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

import made_up_measurements as measurements
from lenity.doctor.findings import judge
from lenity.doctor.measure import correlation
from lenity.doctor.rewards import measure_reward, score_rows
from lenity.rewards.base import Reward
from lenity.rewards.function import FunctionSpec
from lenity.rewards.reward_model import RewardModelSpec
from lenity.toy.examples import sample_response
from lenity.toy.language import parse_request
from lenity.toy.prompts import ToyPrompts

BAD = Path(__file__).with_name("bad_rewards.py")


@pytest.fixture(scope="module")
def texts():
    rng = random.Random(0)
    prompts = ToyPrompts(count=96).read()[0]
    return prompts, [sample_response(parse_request(prompt), rng) for prompt in prompts]


def examined(texts, *names):
    """Findings on these rewards, a dict of (level, about)."""
    found, scores = {}, {}
    for name in names:
        spec = FunctionSpec(function=f"{BAD}:{name}")
        found[name], scores[name] = measure_reward(spec, spec.load(torch.device("cpu")), *texts)
    pairs = [(a, b, correlation(scores[a], scores[b])) for i, a in enumerate(names) for b in names[i + 1 :]]
    return {(finding.level, finding.about): finding.text for finding in judge(measurements.healthy(found, pairs))}


def test_a_good_reward_is_well(texts):
    found = examined(texts, "helpful")
    assert {level for level, _ in found} == {"ok", "not measured"}
    assert {about for level, about in found if level == "not measured"} == {"scale", "correlation"}, (
        "one reward has no pair"
    )


def test_a_flipped_one(texts):
    found = examined(texts, "flipped", "helpful")
    assert "looks flipped" in found["problem", "sign of flipped"]
    assert "what raises one lowers the other" in found["warning", "flipped and helpful"]
    assert ("problem", "sign of helpful") not in found


def test_the_same_one_twice(texts):
    assert (
        "nearly the same" in examined(texts, "helpful", "tiny_differences")["warning", "helpful and tiny_differences"]
    )


def test_saturated_constant_and_finely_graded_ones(texts):
    found = examined(texts, "saturated", "constant", "helpful", "tiny_differences", "raises_on_empty")
    assert "largest score" in found["problem", "spread of saturated"]
    assert "gives no signal" in found["problem", "spread of constant"]
    assert "float32" in found["warning", "scale of tiny_differences"]
    assert "the scores of helpful vary 1,000 times as much as those of tiny_differences" in found["warning", "scales"]
    assert "ZeroDivisionError" in found["warning", "scores of raises_on_empty"]


def test_rows_without_a_number_are_found_one_by_one(texts):
    prompts, responses = texts
    spec = FunctionSpec(function=f"{BAD}:broken")
    scores, why = score_rows(spec.load(torch.device("cpu")), prompts, responses)
    even = [i for i, text in enumerate(responses) if len(text.split()) % 2 == 0]
    assert even and sorted(why) == even == np.flatnonzero(np.isnan(scores)).tolist()
    assert f"{len(even)} of 96 responses" in examined(texts, "broken")["problem", "scores of broken"]


class Odd(Reward):
    """None, infinity, and one score too few for a batch."""

    def score(self, prompts, responses):
        if len(responses) > 1:
            return [0.0] * (len(responses) - 1)
        return {"a": [None], "b": [float("inf")]}.get(responses[0], [2.0])


def test_none_infinity_and_a_missing_score():
    scores, why = score_rows(Odd(), ["p"] * 3, ["a", "b", "c"])
    assert why == {0: "None", 1: "inf"} and scores[2] == 2.0


@pytest.mark.parametrize(("accuracy", "sign", "level"), [(0.3, 1, "problem"), (0.3, -1, None), (0.8, 1, None)])
def test_accuracy_below_chance_in_the_models_own_report(texts, tmp_path, accuracy, sign, level):
    (tmp_path / "report.json").write_text(f'{{"accuracy": {accuracy}}}')
    helpful = FunctionSpec(function=f"{BAD}:helpful").load(torch.device("cpu"))
    found, _ = measure_reward(RewardModelSpec(model=str(tmp_path), sign=sign), helpful, *texts)
    levels = {finding.level for finding in judge(measurements.healthy({"helpful": found})) if "sign" in finding.about}
    assert levels == {level or "ok"}


def test_correlation_and_its_interval():
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    found = correlation(one, 0.6 * one + 0.8 * rng.normal(size=400))
    assert found.low < 0.6 < found.high and found.high - found.low == pytest.approx(2 * 1.96 * 0.64 / 20, abs=0.02)
    assert np.isnan(correlation(one, np.ones(400)).value) and np.isnan(correlation(one[:3], one[:3]).value)
