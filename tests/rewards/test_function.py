"""Python functions as rewards, and the check every score passes."""

from __future__ import annotations

import pytest
import torch

from lenity.errors import RewardError
from lenity.rewards.check import check_scores
from lenity.rewards.function import FunctionSpec

CPU = torch.device("cpu")


def test_from_a_file_and_from_a_module(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def words(prompts, responses):\n    return [len(r.split()) for r in responses]\n")
    assert FunctionSpec(function=f"{file}:words").load(CPU).score(["a", "b"], ["one two", ""]) == [2.0, 0.0]
    assert FunctionSpec(function=f"{file}:words", sign=-1).load(CPU).score(["a"], ["one"]) == [-1.0]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("words", "write package.module:function"),
        ("no_such_module:f", "cannot import 'no_such_module'"),
        ("./no_such_file.py:f", "cannot import './no_such_file.py'"),
        ("math:no_such", "has no function 'no_such'"),
    ],
)
def test_a_wrong_address_is_explained(address, message):
    with pytest.raises(RewardError, match=message):
        FunctionSpec(function=address).load(CPU)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0], "1 scores for 2"),
        ([1.0, float("nan")], "row 1: nan"),
        ([None, 1.0], "row 0: None"),
        ([float("inf"), 1], "inf"),
    ],
)
def test_missing_and_broken_scores_are_named(scores, message):
    with pytest.raises(RewardError, match=message):
        check_scores("helpful", scores, 2)
