"""Each threshold on made-up figures."""

from __future__ import annotations

import pytest

import made_up_figures as figures
from lenity.doctor.figures import ConflictFigures, CostFigures, PromptFigures, ResponseFigures, TokenizerFigures
from lenity.doctor.findings import CHECKS, WELL, judge
from lenity.pareto.confidence import Interval


def judged(**changes):
    return [
        (found.level, found.about, found.text) for found in judge(figures.healthy(**changes)) if found.level != "ok"
    ]


def test_all_is_well():
    found = judge(figures.healthy())
    assert {finding.level for finding in found} == {"ok"} and len(found) == len(CHECKS) == len(WELL)


def reading(**changes):
    good = {"unknown": 0.0, "round_trip": 1.0, "per_word": 1.3, "window": 128, "beyond": 0.0}
    return TokenizerFigures(**good | changes)


LOST = {"shuffled": Interval(0.6, 0.5, 0.7), "empty": Interval(0.2, 0.1, 0.3), "repeated": Interval(0.5, 0.4, 0.6)}
CASES = {
    "some unknown words": ("warning", "tokenizer of helpful", "5% of the tokens", {"tokenizers": {"policy": reading(), "helpful": reading(unknown=0.05)}}),
    "many unknown words": ("problem", "tokenizer of policy", "Use a model of this language", {"tokenizers": {"policy": reading(unknown=0.4, round_trip=0.0)}}),
    "texts that are lost": ("warning", "tokenizer of policy", "belong together", {"tokenizers": {"policy": reading(round_trip=0.5)}}),
    "shredded words": ("warning", "tokenizer of policy", "6.0 tokens a word", {"tokenizers": {"policy": reading(per_word=6.0)}}),
    "the policy's window": ("problem", "window of policy", "prompts.max_tokens to 52", {"tokenizers": {"policy": reading(window=64)}}),
    "a reward's window": ("warning", "window of helpful", "their beginnings", {"tokenizers": {"policy": reading(), "helpful": reading(beyond=0.3)}}),
    "dropped prompts": ("warning", "prompts", "500 longer", {"prompts": PromptFigures(1000, 400, {"longer": 500, "beyond the limit": 100}, {"longest": 9}, 9)}),
    "cut responses": ("warning", "responses", "80% reach rollout.max_new_tokens (12)", {"responses": ResponseFigures(96, 12.0, 12, 0.8, 0.0)}),
    "empty responses": ("warning", "responses", "50% are empty", {"responses": ResponseFigures(96, 1.0, 12, 0.0, 0.5)}),
    "no memory": ("warning", "memory", "Lower ppo.mini_batch_size", {"cost": CostFigures(60.0, 10, 9e9, 8e9)}),
    "no conflict": ("warning", "conflict", "nearly the same here", {"conflict": ConflictFigures(0.01, 0.3, 0.8, "net")}),
    "silence wins": ("warning", "sign of quiet", "rollout.min_new_tokens", {"rewards": {"quiet": figures.replaced(beats=LOST)}}),
    "half at one end": ("warning", "spread of flat", "60% of the responses", {"rewards": {"flat": figures.replaced(at_low=0.6)}}),
}  # fmt: skip


@pytest.mark.parametrize(("level", "about", "part", "changes"), CASES.values(), ids=CASES)
def test_one_fault_is_one_finding(level, about, part, changes):
    (found,) = judged(**changes)
    assert found[:2] == (level, about) and part in found[2]


def test_what_is_not_measured_is_not_judged():
    assert judged(conflict=None, cost=None) == []


def test_the_worst_comes_first():
    faults = {"tokenizers": {"policy": reading(unknown=0.4)}, "cost": CostFigures(60.0, 10, 9e9, 8e9)}
    assert [level for level, _, _ in judged(**faults)] == ["problem", "warning"]
