"""PPO's losses against slow twins."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.update.ppo import policy_loss, value_loss
from oracles import slow

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def tensors(seed, shape, count):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(count)]


def masked(lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@given(st.integers(0, 10**6), LENGTHS, st.floats(0.05, 0.5))
def test_policy_loss(seed, lengths, clip):
    mask = masked(lengths)
    old, change, advantages = tensors(seed, mask.shape, 3)
    logprobs = old + 0.4 * change
    got = policy_loss(logprobs, old, advantages, mask, clip)
    wanted = slow.policy_loss(logprobs.tolist(), old.tolist(), advantages.tolist(), mask.tolist(), clip)
    assert float(got[0]) == pytest.approx(wanted[0], abs=1e-9)
    assert float(got[1]) == pytest.approx(wanted[1], abs=1e-6)


@given(st.integers(0, 10**6), LENGTHS, st.integers(1, 4), st.one_of(st.none(), st.floats(0.05, 0.5)))
def test_value_loss(seed, lengths, heads, clip):
    mask = masked(lengths)
    values, old, returns = tensors(seed, (*mask.shape, heads), 3)
    got = value_loss(values, old, returns, mask, clip)[0]
    wanted = slow.value_loss(values.tolist(), old.tolist(), returns.tolist(), mask.tolist(), clip)
    assert float(got) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(0, 10**6), LENGTHS, st.integers(1, 4), st.one_of(st.none(), st.floats(0.05, 0.5)))
def test_a_head_learns_nothing_from_rows_it_did_not_score(seed, lengths, heads, clip):
    mask = masked(lengths)
    values, old, returns = tensors(seed, (*mask.shape, heads), 3)
    scored = torch.rand(len(mask), heads, generator=torch.Generator().manual_seed(seed)) < 0.7
    valid_tokens = mask.unsqueeze(-1) & scored.unsqueeze(1)
    values.requires_grad_()
    got = value_loss(values, old, returns.where(valid_tokens, 1e6), valid_tokens, clip, tokens=mask.sum())[0]
    wanted = slow.value_loss(values.tolist(), old.tolist(), returns.tolist(), mask.tolist(), clip, scored.tolist())
    assert got.item() == pytest.approx(wanted, abs=1e-9)
    got.backward()
    assert not values.grad[~valid_tokens].any()


def test_parts_add_up_to_the_whole():
    mask = masked([3, 1, 4, 2])
    logprobs, old, advantages = tensors(0, mask.shape, 3)
    values, before, returns = tensors(1, (*mask.shape, 2), 3)
    whole = policy_loss(logprobs, old, advantages, mask)[0] + value_loss(values, before, returns, mask)[0]
    tokens = mask.sum()
    parts = sum(
        policy_loss(logprobs[i], old[i], advantages[i], mask[i], tokens=tokens)[0]
        + value_loss(values[i], before[i], returns[i], mask[i], tokens=tokens)[0]
        for i in (slice(0, 1), slice(1, 4))
    )
    torch.testing.assert_close(whole, parts)


def test_padding_gives_neither_loss_nor_gradient():
    mask = masked([2, 4])
    logprobs, old, advantages = tensors(2, mask.shape, 3)
    logprobs[~mask], advantages[~mask] = 1e4, float("inf")
    logprobs.requires_grad_()
    loss = policy_loss(logprobs, old, advantages, mask)[0]
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logprobs.grad[mask]).all()
    assert not torch.nan_to_num(logprobs.grad[~mask]).any()
