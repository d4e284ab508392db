"""Each threshold on made-up measurements."""

from __future__ import annotations

import math

import pytest

import made_up_measurements as measurements
from lenity.doctor.findings import CHECKS, OK, judge
from lenity.doctor.measurements import ConflictStats, CostStats, PromptStats, ResponseStats, TokenizerStats
from lenity.pareto.confidence import Interval


def judged(**changes):
    return [
        (found.level, found.about, found.text)
        for found in judge(measurements.healthy(**changes))
        if found.level != "ok"
    ]


def test_all_is_well():
    found = judge(measurements.healthy())
    assert {finding.level for finding in found} == {"ok"} and len(found) == len(CHECKS) == len(OK)


def reading(**changes):
    good = {"unknown": 0.0, "round_trip": 1.0, "per_word": 1.3, "window": 128, "beyond": 0.0}
    return TokenizerStats(**good | changes)


LOST = {"shuffled": Interval(0.6, 0.5, 0.7), "empty": Interval(0.2, 0.1, 0.3), "repeated": Interval(0.5, 0.4, 0.6)}
CASES = {
    "some unknown words": ("warning", "tokenizer of helpful", "5% of the tokens", {"tokenizers": {"policy": reading(), "helpful": reading(unknown=0.05)}}),
    "many unknown words": ("problem", "tokenizer of policy", "Use a model of this language", {"tokenizers": {"policy": reading(unknown=0.4, round_trip=0.0)}}),
    "texts that are lost": ("warning", "tokenizer of policy", "belong together", {"tokenizers": {"policy": reading(round_trip=0.5)}}),
    "shredded words": ("warning", "tokenizer of policy", "6.0 tokens per word", {"tokenizers": {"policy": reading(per_word=6.0)}}),
    "the policy's window": ("problem", "window of policy", "prompts.max_tokens to 52", {"tokenizers": {"policy": reading(window=64)}}),
    "a reward's window": ("warning", "window of helpful", "their beginnings", {"tokenizers": {"policy": reading(), "helpful": reading(beyond=0.3)}}),
    "dropped prompts": ("warning", "prompts", "500 longer", {"prompts": PromptStats(1000, 400, {"longer": 500, "beyond the limit": 100}, {"longest": 9}, 9)}),
    "cut responses": ("warning", "responses", "80% are truncated at rollout.max_new_tokens (12)", {"responses": ResponseStats(96, 12.0, 12, 0.8, 0.0)}),
    "empty responses": ("warning", "responses", "50% are empty", {"responses": ResponseStats(96, 1.0, 12, 0.0, 0.5)}),
    "no memory": ("warning", "memory", "Lower ppo.mini_batch_size", {"cost": CostStats(60.0, 10, 9e9, 8e9)}),
    "no conflict": ("warning", "conflict", "nearly the same result", {"conflict": ConflictStats(0.01, 0.3, 0.8, "net")}),
    "silence wins": ("warning", "sign of quiet", "rollout.min_new_tokens", {"rewards": {"quiet": measurements.replaced(beats=LOST), "b": measurements.GOOD}}),
    "half at one end": ("warning", "spread of flat", "60% of the responses", {"rewards": {"flat": measurements.replaced(at_low=0.6), "b": measurements.GOOD}}),
}  # fmt: skip


@pytest.mark.parametrize(("level", "about", "part", "changes"), CASES.values(), ids=CASES)
def test_one_fault_is_one_finding(level, about, part, changes):
    (found,) = judged(**changes)
    assert found[:2] == (level, about) and part in found[2]


NONE = Interval(math.nan, math.nan, math.nan)
UNSCORED = measurements.replaced(
    mean=math.nan, std=math.nan, low=math.nan, high=math.nan, at_low=math.nan, at_high=math.nan, unscorable={0: "no"},
    beats=dict.fromkeys(measurements.WON, NONE),
)  # fmt: skip
UNMEASURED = {
    "no conflict and cost": ({"conflict": None, "cost": None}, {"conflict", "cost"}, {"conflict", "cost"}),
    "a constant pair": ({"correlations": [("a", "b", NONE)]}, {"a and b"}, {"correlation"}),
    "one objective": ({"rewards": {"a": measurements.GOOD}, "correlations": []}, {"correlation", "scale"}, {"correlation", "scale"}),
    "no scores": (
        {"rewards": {"a": UNSCORED, "b": measurements.GOOD}}, {"sign of a", "spread of a", "scale"}, {"sign", "saturation", "scale"}
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "abouts", "checks"), UNMEASURED.values(), ids=UNMEASURED)
def test_what_is_not_measured_is_said_to_be_so_and_not_to_be_well(changes, abouts, checks):
    found = judge(measurements.healthy(**changes))
    assert {one.about for one in found if one.level == "not measured"} == abouts
    assert not checks & {one.about for one in found if one.level == "ok"}


def test_the_worst_comes_first():
    faults = {"tokenizers": {"policy": reading(unknown=0.4)}, "cost": CostStats(60.0, 10, 9e9, 8e9)}
    assert [level for level, _, _ in judged(**faults)] == ["problem", "warning"]
