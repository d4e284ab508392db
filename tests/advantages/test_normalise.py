"""Standardised advantages."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.advantages.normalise import normalise
from oracles import slow

MASK = torch.arange(5) < torch.tensor([5, 2, 3])[:, None]


def random(seed, scale=1.0):
    return scale * torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 3 * scale


@given(st.integers(0, 10**6), st.floats(1e-3, 1e6))
def test_each_objective_has_mean_0_and_std_1_over_real_tokens(seed, scale):
    found = normalise(random(seed, scale), MASK)
    for k in range(2):
        column = [found[b, t, k].item() for b in range(3) for t in range(5) if MASK[b, t]]
        mean = sum(column) / len(column)
        assert abs(mean) < 1e-9
        assert abs(sum((x - mean) ** 2 for x in column) / len(column) - 1) < 1e-9
    assert not found[~MASK].any()


@given(st.integers(0, 10**6))
def test_scale_only_keeps_signs(seed):
    advantages = random(seed) - 3
    found = normalise(advantages, MASK, "scale_only")
    assert torch.equal(found[MASK].sign(), advantages[MASK].sign())
    torch.testing.assert_close(found[MASK].square().mean(0), torch.ones(2, dtype=torch.float64))


@given(st.integers(0, 10**6), st.sampled_from(["per_objective", "scale_only", "none"]))
def test_each_objective_is_over_what_its_mask_has(seed, mode):
    advantages = random(seed)
    scored = torch.rand(3, 1, 2, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask = MASK.unsqueeze(-1) & scored
    found = normalise(advantages.where(mask, float("nan")), mask, mode)
    wanted = torch.tensor(slow.normalised(advantages.tolist(), mask.tolist(), mode), dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


def test_an_objective_that_never_varies_becomes_0():
    advantages = torch.ones(3, 5, 2, dtype=torch.float64)
    advantages[0, 0, 1] = 4
    found = normalise(advantages, MASK)
    assert not found[..., 0].any() and found[..., 1].any()


def test_none_changes_real_tokens_not_at_all():
    advantages = random(0)
    assert torch.equal(normalise(advantages, MASK, "none")[MASK], advantages[MASK])
