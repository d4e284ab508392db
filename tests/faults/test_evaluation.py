"""An evaluation that fails after the policy has answered: the answers are not generated twice."""

from __future__ import annotations

import pytest

import tiny
from lenity.errors import RewardError
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.rollout.transformers import TransformersGenerator

BREAKS = """
from pathlib import Path
def breaks(prompts, responses):
    left = Path(__file__).with_name("left")
    count = int(left.read_text())
    left.write_text(str(count - 1))
    return [float(len(text)) if count > 0 else None for text in responses]
"""


@pytest.fixture
def generated(monkeypatch):
    """How many responses were generated."""
    plain, count = TransformersGenerator._generate, [0]

    def generate(self, prompts, draws):
        count[0] += len(prompts)
        return plain(self, prompts, draws)

    monkeypatch.setattr(TransformersGenerator, "_generate", generate)
    return count


@pytest.mark.parametrize("calls", [0, 1])
def test_answers_outlive_a_reward_that_fails(tiny_model, tmp_path, generated, calls):
    """It fails on the reference policy's answers, or on those of the aligned one."""
    (tmp_path / "mine.py").write_text(BREAKS)
    (tmp_path / "left").write_text("1000")
    held_out = {"mine": {"type": "function", "function": f"{tmp_path / 'mine.py'}:breaks"}}
    run = train(tiny.run_config(tiny_model, tmp_path / "run", held_out_rewards=held_out))
    (tmp_path / "left").write_text(str(calls))
    generated[0] = 0
    with pytest.raises(RewardError, match="'mine' is not a finite number for 12 of 12"):
        evaluate(run)
    assert generated[0] == 12 * (1 + calls)
    kept = next(run.path.glob(".answers-*.json"))
    (tmp_path / "left").write_text("1000")
    first = evaluate(run)
    assert generated[0] == 24, "each answer once"
    assert not list(run.path.glob(".answers-*"))
    (run.path / "evaluation.json").unlink()
    (tmp_path / "left").write_text("1000")
    for file in run.path.glob("reference-*"):
        file.unlink()
    kept.write_text("[{]")
    assert evaluate(run).equals(first), "made anew, also where what was kept is torn, they are the same"
    assert generated[0] == 48
