"""GAE against the golden cases and a slow twin."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.estimators.critic import gae
from oracles import slow


def masked(lengths, width):
    return torch.arange(width) < torch.tensor(lengths)[:, None]


def random_case(seed, lengths, heads):
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths), heads)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2)]


def test_golden_cases(golden):
    for case in golden["gae"]:
        rewards, values, advantages, returns = (
            torch.tensor(case[key], dtype=torch.float64) for key in ("rewards", "values", "advantages", "returns")
        )
        mask = masked(case["lengths"], rewards.shape[1])
        got = gae(rewards, values, mask.unsqueeze(-1), gamma=case["gamma"], lam=case["lam"])
        for ours, wanted in zip(got, (advantages, returns), strict=True):
            torch.testing.assert_close(ours[mask], wanted[mask], rtol=0, atol=1e-9)


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 7), min_size=1, max_size=4),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_slow_twin(seed, lengths, heads, gamma, lam):
    rewards, values = random_case(seed, lengths, heads)
    mask = masked(lengths, rewards.shape[1])
    before = rewards.clone(), values.clone()
    got = gae(rewards, values, mask.unsqueeze(-1), gamma=gamma, lam=lam)
    for ours, wanted in zip(got, slow.gae(rewards.tolist(), values.tolist(), lengths, gamma, lam), strict=True):
        torch.testing.assert_close(ours[mask], torch.tensor(wanted, dtype=torch.float64)[mask], rtol=0, atol=1e-9)
    assert torch.equal(rewards, before[0])
    assert torch.equal(values, before[1])


def test_padding_does_not_reach_real_tokens():
    rewards, values = random_case(0, [2, 4], 2)
    mask = masked([2, 4], 4)
    other_rewards, other_values = rewards.clone(), values.clone()
    other_rewards[0, 2:], other_values[0, 2:] = 1e6, -1e6
    for a, b in zip(
        gae(rewards, values, mask.unsqueeze(-1), gamma=0.9, lam=0.9),
        gae(other_rewards, other_values, mask.unsqueeze(-1), gamma=0.9, lam=0.9),
        strict=True,
    ):
        assert torch.equal(a[mask], b[mask])


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_limits_of_lambda(lam):
    rewards, values = random_case(1, [5], 1)
    advantages, returns = gae(rewards, values, masked([5], 5).unsqueeze(-1), gamma=1.0, lam=lam)
    after = torch.cat([values[:, 1:], torch.zeros(1, 1, 1, dtype=torch.float64)], dim=1)
    wanted = rewards.flip(1).cumsum(1).flip(1) if lam else rewards + after
    torch.testing.assert_close(returns, wanted)
    torch.testing.assert_close(advantages, wanted - values)
