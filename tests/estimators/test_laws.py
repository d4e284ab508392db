"""Laws of the estimators that set a response against the others of its prompt, and slow twins of their arithmetic."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.config.sections import PPO
from lenity.estimators import ESTIMATORS, Group, LeaveOneOut
from oracles import slow

WITHOUT_CRITIC = [ESTIMATORS[name] for name in ESTIMATORS if not ESTIMATORS[name].needs_critic]
TWINS = {Group: slow.group_advantages, LeaveOneOut: slow.leave_one_out}
kinds = pytest.mark.parametrize("kind", WITHOUT_CRITIC, ids=lambda kind: kind.__name__)


@st.composite
def batches(draw, whole=False):
    """Rewards (B, T, K) of prompts with 2 to 5 responses, and which tokens count; some objectives lack a score unless ``whole``."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    prompts, size, tokens, heads = (draw(st.integers(*bounds)) for bounds in ((1, 3), (2, 5), (1, 4), (1, 3)))
    rewards = torch.randn(prompts * size, tokens, heads, generator=generator, dtype=torch.float64)
    lengths = torch.randint(1, tokens + 1, (prompts * size,), generator=generator)
    scored = torch.rand(prompts * size, heads, generator=generator) < (2.0 if whole else 0.8)
    return rewards, (torch.arange(tokens) < lengths[:, None]).unsqueeze(-1) & scored.unsqueeze(1), size


def advantages(kind, rewards, valid_tokens, size):
    found = kind(responses=size).estimate(rewards, None, valid_tokens, PPO())
    assert found.returns is None and found.advantages.shape == rewards.shape
    return found.advantages


def close(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_every_estimator_without_a_critic_has_a_twin():
    assert set(WITHOUT_CRITIC) == set(TWINS) and {*ESTIMATORS} == {"critic", "group", "leave_one_out"}


@kinds
@given(batches())
def test_slow_twin(kind, batch):
    rewards, valid, size = batch
    before = rewards.clone()
    wanted = TWINS[kind](rewards.tolist(), valid.tolist(), size)
    close(advantages(kind, rewards, valid, size), torch.tensor(wanted, dtype=torch.float64))
    assert torch.equal(rewards, before)


@kinds
@given(batches(), st.randoms(use_true_random=False))
def test_permuting_the_responses_of_a_prompt_permutes_their_advantages(kind, batch, random):
    rewards, valid, size = batch
    order = [first + i for first in range(0, len(rewards), size) for i in random.sample(range(size), size)]
    close(advantages(kind, rewards[order], valid[order], size), advantages(kind, rewards, valid, size)[order])


@kinds
@given(batches(), st.floats(-10, 10))
def test_a_constant_on_all_scores_of_a_prompt_changes_nothing(kind, batch, constant):
    """It stands at the last token of each response, whatever its length."""
    rewards, valid, size = batch
    moved, last = rewards.clone(), valid.any(-1).sum(1) - 1
    moved[torch.arange(size), last[:size].clamp(min=0)] += constant
    close(advantages(kind, moved, valid, size), advantages(kind, rewards, valid, size))


@kinds
@given(batches(whole=True))
def test_the_advantages_of_a_prompt_sum_to_0(kind, batch):
    rewards, valid, size = batch
    first_tokens = advantages(kind, rewards, valid, size)[:, 0]
    close(
        first_tokens.reshape(-1, size, rewards.shape[2]).sum(1),
        torch.zeros(1, dtype=torch.float64).expand(len(rewards) // size, rewards.shape[2]),
    )


@kinds
@given(batches())
def test_objectives_do_not_see_each_other(kind, batch):
    rewards, valid, size = batch
    found = advantages(kind, rewards, valid, size)
    for k in range(rewards.shape[2]):
        close(advantages(kind, rewards[..., k : k + 1], valid[..., k : k + 1], size), found[..., k : k + 1])


@given(batches(whole=True))
def test_leave_one_out_is_the_centred_return_times_n_over_n_less_1(batch):
    rewards, valid, size = batch
    returns = rewards.where(valid, 0.0).sum(1).reshape(-1, size, rewards.shape[2])
    centred = (returns - returns.mean(1, keepdim=True)).flatten(0, 1).unsqueeze(1)
    close(advantages(LeaveOneOut, rewards, valid, size), (size / (size - 1) * centred).where(valid, 0.0))


@kinds
def test_a_response_that_is_alone_with_its_score_teaches_nothing(kind):
    valid = torch.tensor([[[True]], [[False]]])
    found = advantages(kind, torch.ones(2, 1, 1), valid, 2)
    assert not found.any()


@kinds
def test_one_number_of_a_shape_that_the_type_keeps(kind):
    """float32 stays float32, float64 is not rounded on the way."""
    for dtype in (torch.float32, torch.float64):
        assert (
            advantages(kind, torch.randn(4, 2, 1, dtype=dtype), torch.ones(4, 2, 1, dtype=torch.bool), 2).dtype == dtype
        )
