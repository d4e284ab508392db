"""Checkpoints: exact restoration, torn files, other models."""

from __future__ import annotations

import pytest
import torch

import tiny
from lenity import checkpoint
from lenity.errors import CheckpointError


def make(tiny_model, steps=2):
    module, tokenizer = tiny.actor_critic(tiny_model)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-2)
    for seed in range(steps):
        outputs = module(**tiny.rollouts(tokenizer, seed=seed).inputs)
        (outputs.logprobs.sum() + outputs.values.square().sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return module, optimizer


def test_everything_comes_back(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    checkpoint.save(tmp_path, 3, module, optimizer, state={"kl_coefficient": 0.07}, keep_last=2)
    other, other_optimizer = make(tiny_model, steps=1)
    state = checkpoint.load(tmp_path, other, other_optimizer)
    assert state == {"iteration": 3, "kl_coefficient": 0.07}
    torch.testing.assert_close(checkpoint.trained(other), checkpoint.trained(module), rtol=0, atol=0)
    torch.testing.assert_close(other_optimizer.state_dict()["state"], optimizer.state_dict()["state"], rtol=0, atol=0)


def test_the_newest_are_kept(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    for iteration in (1, 2, 10):
        checkpoint.save(tmp_path, iteration, module, optimizer, state={}, keep_last=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iteration_000002", "iteration_000010"]


def test_none_where_there_is_none(tiny_model, tmp_path):
    assert checkpoint.load(tmp_path / "absent", *make(tiny_model)) is None


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "state.json"])
def test_a_torn_file_is_named(tiny_model, tmp_path, name):
    module, optimizer = make(tiny_model)
    folder = checkpoint.save(tmp_path, 1, module, optimizer, state={}, keep_last=1)
    (folder / name).write_bytes((folder / name).read_bytes()[:10])
    with pytest.raises(CheckpointError, match="iteration_000001"):
        checkpoint.load(tmp_path, module, optimizer)


def test_code_in_a_checkpoint_is_not_run(tiny_model, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    module, optimizer = make(tiny_model)
    folder = checkpoint.save(tmp_path / "run", 1, module, optimizer, state={}, keep_last=1)
    torch.save(Evil(), folder / "optimizer.pt")
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "run", module, optimizer)
    assert not (tmp_path / "owned").exists()


def test_another_adapter_is_refused(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    checkpoint.save(tmp_path, 1, module, optimizer, state={}, keep_last=1)
    other, _ = tiny.actor_critic(tiny_model, objectives=2)
    with pytest.raises(CheckpointError, match="another model"):
        checkpoint.load(tmp_path, other, optimizer)
