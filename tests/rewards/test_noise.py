"""Reward noise: against a slow twin, deterministic, and never in an evaluation."""

from __future__ import annotations

import math
import shutil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from lenity.config.sections import RewardNoise
from lenity.errors import ConfigError
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.rewards.noise import noisy


def scores(rows, objectives, seed=0):
    return torch.randn(rows, objectives, generator=torch.Generator().manual_seed(seed))


def partner_and_delta(clean, change, low, high):
    """Every (j, delta) in range that explains the change of each score; the slow twin: all partners are tried."""
    found = []
    for k, lowered in enumerate(change):
        deltas = {j: lowered * (1 + math.exp(-clean[j])) for j in range(len(clean)) if j != k}
        found.append([j for j, delta in deltas.items() if low - 1e-4 <= delta <= high + 1e-4])
    return found


@given(st.integers(1, 40), st.integers(2, 5), st.floats(0, 1), st.integers(0, 2**63 - 1))
def test_a_share_of_the_rows_is_lowered_as_eq_34_says(rows, objectives, fraction, seed):
    clean = scores(rows, objectives)
    before, found = clean.clone(), noisy(clean, RewardNoise(fraction=fraction, low=0.5, high=1.5), seed)
    assert torch.equal(clean, before), "inputs are not changed"
    change = clean - found
    hit = (change != 0).any(1)
    assert int(hit.sum()) == round(fraction * rows)
    for row in hit.nonzero().flatten().tolist():
        assert all(partner_and_delta(clean[row].tolist(), change[row].tolist(), 0.5, 1.5)), (clean[row], change[row])


def test_with_two_objectives_the_partner_is_the_other_and_a_fixed_delta_leaves_one_outcome():
    clean = scores(50, 2)
    found = noisy(clean, RewardNoise(fraction=1.0, low=2.0, high=2.0), 3)
    for (a, b), row in zip(clean.tolist(), found.tolist(), strict=True):
        assert row == pytest.approx([a - 2 / (1 + math.exp(-b)), b - 2 / (1 + math.exp(-a))], abs=1e-5)


def test_partners_and_deltas_are_even():
    """With scores of which one partner's sigmoid is 1 and the others' 0, the lowered share counts the partner."""
    clean = torch.tensor([[40.0, -40.0, -40.0, -40.0]]).repeat(4000, 1)
    change = clean - noisy(clean, RewardNoise(fraction=1.0, low=1.0, high=3.0), 0)
    lowered = (change[:, 1:] > 0.5).double()
    assert lowered.mean(0).tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
    assert change[:, 1:][change[:, 1:] > 0.5].mean().item() == pytest.approx(2.0, abs=0.05)


def test_the_seed_decides():
    clean, settings = scores(30, 3), RewardNoise(fraction=0.4)
    assert torch.equal(noisy(clean, settings, 5), noisy(clean, settings, 5))
    assert not torch.equal(noisy(clean, settings, 5), noisy(clean, settings, 6))
    state = torch.get_rng_state()
    noisy(clean, settings, 5)
    assert torch.equal(torch.get_rng_state(), state), "the generator of everything else is not moved"


def test_training_sees_noise_and_evaluation_does_not(tiny_model, tmp_path):
    noise = {"fraction": 1.0, "low": 2.0, "high": 2.0}
    clean = train(tiny.run_config(tiny_model, tmp_path / "clean", iterations=1))
    dirty = train(tiny.run_config(tiny_model, tmp_path / "dirty", iterations=1, reward_noise=noise))
    first, second = clean.metrics()[0], dirty.metrics()[0]
    assert first["reward"] == second["reward"], "raw scores are as they are"
    assert all(second["standardised"][name] < first["standardised"][name] - 0.1 for name in ("helpful", "harmless"))
    columns = [
        frame[frame["policy"] == "reference"]["standardised"].tolist() for frame in map(evaluate, (clean, dirty))
    ]
    assert columns[0] == columns[1]


def test_a_resumed_run_has_the_same_noise(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "run", reward_noise={"fraction": 0.5}, checkpoint={"every": 1})
    straight = [row["standardised"] for row in train(config).metrics()]
    shutil.rmtree(tmp_path / "run" / "adapter")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "iteration_000003")
    assert [row["standardised"] for row in train(config, resume=True).metrics()] == straight


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward_noise": {"fraction": 0.1, "low": 2.0, "high": 1.0}}, "high is 1, which is below low, 2"),
        ({"reward_noise": {"fraction": 1.5}}, "fraction"),
        ({"reward_noise": {"low": 1.0}}, "reward_noise.fraction: missing"),
        (
            {
                "reward_noise": {"fraction": 0.1},
                "weights": {"helpful": 1.0},
                "rewards": {"helpful": {"type": "toy", "preference": "helpful"}},
            },
            "there is one objective",
        ),
        ({"reward_noise": {"fraction": 0.1}, "method": "ric"}, "does not train in the loop"),
    ],
)
def test_noise_that_cannot_be_made_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        tiny.run_config("m", "unused", **changes)
