"""Python functions as rewards."""

from __future__ import annotations

import pytest
import torch

from lenity.errors import RewardError, ScoreCountError
from lenity.rewards.asking import ask
from lenity.rewards.base import Reward
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
        ("words", "Write package.module:function"),
        ("no_such_module:f", "cannot import 'no_such_module'"),
        ("./no_such_file.py:f", "cannot import './no_such_file.py'"),
        ("math:no_such", "has no function 'no_such'"),
    ],
)
def test_a_wrong_address_is_explained(address, message):
    with pytest.raises(RewardError, match=message):
        FunctionSpec(function=address).load(CPU)


@pytest.mark.parametrize(
    ("code", "why"), [("def f(:", "SyntaxError"), ("x = y", "NameError: name 'y'"), ("1 / 0", "ZeroDivisionError")]
)
def test_a_file_that_fails_to_run_is_named(tmp_path, code, why):
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(RewardError, match=rf"mine\.py' of function '.*mine\.py:f': {why}"):
        FunctionSpec(function=f"{tmp_path / 'mine.py'}:f").load(CPU)


@pytest.mark.parametrize("returned", ["{float(len(r)) for r in responses}", "{r: 1.0 for r in responses}"])
def test_scores_in_no_order_are_refused(tmp_path, returned):
    (tmp_path / "mine.py").write_text(f"def f(prompts, responses):\n    return {returned}\n")
    reward = FunctionSpec(function=f"{tmp_path / 'mine.py'}:f").load(CPU)
    with pytest.raises(ScoreCountError, match=r"reward function f returned (set|dict), whose order is not that"):
        ask(reward, ["Hi", "Hi"], ["a", "bb"])


def test_a_reward_object_whose_scores_have_no_order_is_refused():
    class Sets(Reward):
        def score(self, prompts, responses):
            return {float(len(response)) for response in responses}

    with pytest.raises(ScoreCountError, match=r"Sets\.score returned set"):
        ask(Sets(), ["Hi", "Hi"], ["a", "bb"])
