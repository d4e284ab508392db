"""What is said of the cost before anything is asked."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lenity.judge.config import JudgeConfig
from lenity.judge.messages import estimate
from lenity.judge.questions import Question

QUESTION = Question("p0", "response", "helpful", "s" * 4_000_000, "")
PRICES = {"input_price": 1.0, "output_price": 2.0}


def said(**changes):
    config = JudgeConfig(**{"endpoint": "http://127.0.0.1:9/v1", "model": "m"} | changes)
    return estimate([SimpleNamespace(question=QUESTION, finished=False)] * config.repeats, config)


def test_an_answer_without_a_limit_has_no_bound_on_its_cost():
    assert "about 1.00 for the input at the prices given, and without --max_tokens no upper bound" in said(
        max_tokens=None, **PRICES
    )
    assert "about 1.00 + at most 2.00 = 3.00" in said(max_tokens=1_000_000, **PRICES)


@pytest.mark.parametrize(
    ("changes", "hinted"), [({}, False), ({"repeats": 3}, True), ({"repeats": 3, "temperature": 0.7}, False)]
)
def test_repeats_without_sampling_are_worth_a_hint(changes, hinted):
    assert ("differ in their seed alone" in said(**changes)) == hinted
