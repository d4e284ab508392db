"""Measurements of a run where all is well, to change one of."""

from __future__ import annotations

from dataclasses import replace

from lenity.doctor.measurements import (
    ConflictStats,
    Correlation,
    CostStats,
    Measurements,
    PromptStats,
    ResponseStats,
    RewardStats,
    TokenizerStats,
)
from lenity.pareto.confidence import Interval

WON = dict.fromkeys(("shuffled", "empty", "repeated"), Interval(0.8, 0.7, 0.9))
UNLIKE = (("helpful", "harmless", Interval(0.1, 0.0, 0.2)),)
GOOD = RewardStats(0.0, 1.0, -2.0, 2.0, 0.02, 0.02, {}, WON, {}, None)


def healthy(rewards=None, correlations=UNLIKE, **changes):
    rewards = {"helpful": GOOD, "harmless": GOOD} if rewards is None else rewards
    parts = {
        "objectives": tuple(rewards),
        "rewards": rewards,
        "tokenizers": {"policy": TokenizerStats(0.0, 1.0, 1.3, 128, 0.0)},
        "prompts": PromptStats(1000, 900, {"repeated": 100}, {"median": 20, "longest": 60}, 64),
        "responses": ResponseStats(96, 8.0, 12, 0.05, 0.0),
        "correlations": tuple(Correlation(*found) for found in correlations),
        "conflict": ConflictStats(0.4, 0.3, 0.8, "net"),
        "cost": CostStats(60.0, 10, 1e9, 8e9),
    }
    return Measurements(**parts | changes)


def replaced(**changes):
    return replace(GOOD, **changes)
