"""Leniency and its schedules, of every rule that has them."""

from __future__ import annotations

import pytest
import torch

from lenity.rules import RULES, Lenient, Linear

WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
lenient = pytest.mark.parametrize("rule", [RULES[name] for name in RULES if issubclass(RULES[name], Lenient)])


@lenient
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_schedules_end_in_linear_scalarisation(rule, schedule):
    rule = rule(leniency=0.8, schedule=schedule, schedule_end=0.5)
    levels = [rule.at(progress).leniency for progress in (0.0, 0.1, 0.25, 0.4, 0.5, 1.0)]
    assert levels[0] == pytest.approx(0.8)
    assert levels[2] == pytest.approx(0.4)
    assert levels == sorted(levels, reverse=True)
    assert levels[-2:] == pytest.approx([0, 0])
    advantages = torch.randn(64, 3, dtype=torch.float64)
    torch.testing.assert_close(rule.at(1.0).rectify(advantages, WEIGHTS), Linear().rectify(advantages, WEIGHTS))


@lenient
def test_constant_schedule_changes_nothing(rule):
    constant = rule(schedule="constant")
    assert constant.at(0.7) == constant
