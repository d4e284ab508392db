from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.integrations.completions import agree, completion_advantages
from lenity.rules import PLC, Linear
from oracles import grpo, slow

SCALES = ("group", "batch", "none")
WEIGHTS = [0.5, 0.3, 0.2]
RULES = {
    "linear": (Linear(), lambda row: sum(w * a for w, a in zip(WEIGHTS, row, strict=True))),
    "plc": (
        PLC(gate="centered", temperature=0.3, leniency=0.7),
        lambda row: slow.plc(row, WEIGHTS, "centered", 0.3, 0.7),
    ),
}

reward = st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0, -2.0, 7.5]))
batches = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(reward, min_size=3, max_size=3), min_size=4 * n, max_size=4 * n)
)


def tensor(rewards):
    return torch.tensor([[math.nan if value is None else value for value in row] for row in rewards])


def close(found, wanted):
    torch.testing.assert_close(found, torch.tensor(wanted), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", SCALES)
@given(rewards=batches)
def test_advantages_are_the_slow_twins(scale, rewards):
    close(completion_advantages(tensor(rewards), 4, scale), grpo.group_advantages(rewards, 4, scale))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("whiten", [False, True])
@given(rewards=batches.filter(lambda rows: any(value is not None for row in rows for value in row)))
def test_what_a_rule_makes_of_them_is_the_slow_twins(name, whiten, rewards):
    rule, combine = RULES[name]
    found, _ = agree(tensor(rewards), rule, torch.tensor(WEIGHTS), size=4, scale="group", whiten=whiten)
    close(found.rectified, grpo.rectified(rewards, 4, "group", combine, whiten))


def test_a_group_without_a_reward_and_a_completion_without_any_teach_nothing():
    rewards = [[1.0, None], [3.0, None], [None, None], [5.0, None], [None, 2.0], [None, 4.0], [1.0, 6.0], [None] * 2]
    found, _ = agree(tensor(rewards), PLC(), torch.tensor([0.5, 0.5]), size=4, scale="none", whiten=False)
    close(found.advantages, [[-2.0, 0], [0, 0], [0, 0], [2, 0], [0, -2], [0, 0], [0, 2], [0, 0]])
    assert found.rectified[[2, 7]].tolist() == [0, 0] and found.rectified.isfinite().all()


@given(rewards=batches)
def test_completions_with_their_own_weights(rewards):
    weights = torch.tensor([WEIGHTS, WEIGHTS[::-1]]).repeat(len(rewards) // 2, 1)
    found, _ = agree(tensor(rewards), PLC(), weights, size=4, scale="group", whiten=False)
    for first in (0, 1):
        alone, _ = agree(tensor(rewards), PLC(), weights[first], size=4, scale="group", whiten=False)
        close(found.rectified[first::2], alone.rectified[first::2].tolist())
    assert 0 <= found.conflict_rate(weights) <= 1


def test_share_forgiven_is_of_the_losses():
    """Losses of 2 and 1 of the second reward count by a half and in full; the first loses 4, all of which counts."""
    rewards = tensor([[4.0, -2.0], [0.0, 2.0], [-4.0, 1.0], [0.0, -1.0]])

    class Half(Linear):
        def objective_scale(self, advantages, weights):
            return torch.tensor([[1.0, 0.5], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])

    weights = torch.tensor([0.5, 0.5])
    found, _ = agree(rewards, Half(), weights, size=4, scale="none", whiten=False)
    close(found.forgiven(), [0.0, 1 / 3])
    assert found.conflict_rate(weights) == 0.5
    assert agree(torch.zeros(4, 2), Half(), weights, size=2, scale="group", whiten=False)[0].forgiven().tolist() == [
        0,
        0,
    ]
