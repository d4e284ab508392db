"""Group advantages against a slow twin, and a run with them."""

from __future__ import annotations

import statistics

import pytest
import torch

import tiny
from lenity.config.sections import PPO
from lenity.errors import ConfigError
from lenity.estimators import Group
from lenity.methods import train
from lenity.runs.folder import RunFolder
from oracles import slow


def group_advantages(rewards, valid_tokens, size):
    return Group(responses=size).estimate(rewards, None, valid_tokens, PPO()).advantages


def test_against_a_slow_twin():
    generator = torch.Generator().manual_seed(0)
    rewards = torch.randn(6, 4, 2, generator=generator)
    mask = torch.arange(4) < torch.tensor([4, 1, 2, 3, 4, 2])[:, None]
    found = group_advantages(rewards, mask.unsqueeze(-1).expand_as(rewards), 3)
    for group in (range(3), range(3, 6)):
        for k in range(2):
            returns = [float(rewards[i, : int(mask[i].sum()), k].sum()) for i in group]
            mean, std = statistics.fmean(returns), statistics.pstdev(returns)
            for i, value in zip(group, returns, strict=True):
                for t in range(4):
                    wanted = (value - mean) / std if mask[i, t] else 0.0
                    assert found[i, t, k].item() == pytest.approx(wanted, abs=1e-5)


def test_a_response_without_a_score_is_not_one_of_the_group():
    generator = torch.Generator().manual_seed(1)
    rewards = torch.randn(6, 4, 3, generator=generator)
    scored = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=torch.bool)
    mask = (torch.arange(4) < torch.tensor([4, 1, 2, 3, 4, 2])[:, None]).unsqueeze(-1) & scored.unsqueeze(1)
    wanted = slow.group_advantages(rewards.tolist(), mask.tolist(), 3)
    torch.testing.assert_close(group_advantages(rewards, mask, 3), torch.tensor(wanted), rtol=0, atol=1e-5)


def test_equal_responses_teach_nothing():
    rewards = torch.ones(4, 2, 1)
    assert (group_advantages(rewards, torch.ones(4, 2, 1, dtype=torch.bool), 2) == 0).all()


def test_a_run_answers_each_prompt_several_times_and_has_no_critic(tiny_model, tmp_path):
    from safetensors.torch import load_file

    config = tiny.run_config(tiny_model, tmp_path / "run", method={"type": "gdpo", "responses": 4}, iterations=2)
    run = train(config)
    prompts = [
        row["prompt"] for row in map(__import__("json").loads, (run.path / "samples.jsonl").read_text().splitlines())
    ]
    assert prompts[0] == prompts[1] == prompts[2] == prompts[3] != prompts[4]
    first, last = (
        load_file(RunFolder(run.path).checkpoints / f"iteration_00000{i}" / "weights.safetensors") for i in (1, 2)
    )
    assert all(name.startswith("policy.") for name in first), "no critic"
    assert any(not torch.equal(first[name], last[name]) for name in first)


def test_batches_hold_whole_groups(tiny_model, tmp_path):
    with pytest.raises(
        ConfigError, match=r"multiple of the 3 responses per prompt of estimator group:3; choose a multiple of 3"
    ):
        train(tiny.run_config(tiny_model, tmp_path / "run", method={"type": "gdpo", "responses": 3}))
