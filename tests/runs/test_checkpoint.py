"""Checkpoints: exact restoration, torn files, other models."""

from __future__ import annotations

import pytest
import torch

import tiny
from lenity.config.sections import Checkpoint as Settings
from lenity.errors import CheckpointError, NumericalError
from lenity.runs.checkpoint import Checkpoint, newest, trained
from lenity.storage import manifest


def make(tiny_model, steps=2):
    module, tokenizer = tiny.actor_critic(tiny_model)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-2)
    for seed in range(steps):
        outputs = module(**tiny.rollouts(tokenizer, seed=seed).inputs)
        (outputs.logprobs.sum() + outputs.values.square().sum()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return module, optimizer


def save(folder, module, optimizer, iteration=1, rule=None, state=None, **settings):
    now = Checkpoint.of(iteration, module, optimizer, rule or {}, state or {})
    return now.save(folder, Settings(**settings))


def load(folder, iterations=99, words=None):
    return newest(folder, iterations, (words if words is not None else []).append)


def test_everything_comes_back(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    rule = {"weighting.alpha": torch.tensor([0.1, 0.9], dtype=torch.float64)}
    save(tmp_path, module, optimizer, 3, rule, {"kl_coefficient": 0.07})
    other, other_optimizer = make(tiny_model, steps=1)
    found = load(tmp_path)
    found.restore(other, other_optimizer)
    assert found.iteration == 3 and found.state["kl_coefficient"] == 0.07
    torch.testing.assert_close(dict(found.rule), rule, rtol=0, atol=0)
    torch.testing.assert_close(trained(other), trained(module), rtol=0, atol=0)
    ours, theirs = other_optimizer.state_dict(), optimizer.state_dict()
    torch.testing.assert_close(ours["state"], theirs["state"], rtol=0, atol=0)
    assert [{**group, "betas": tuple(group["betas"])} for group in ours["param_groups"]] == theirs["param_groups"]


def test_training_goes_on_to_the_bit(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    save(tmp_path, module, optimizer)
    other, other_optimizer = make(tiny_model, steps=1)
    load(tmp_path).restore(other, other_optimizer)
    for each in (optimizer, other_optimizer):
        for group in each.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.full_like(parameter, 0.3)
        each.step()
    torch.testing.assert_close(trained(other), trained(module), rtol=0, atol=0)


def test_the_newest_are_kept_and_every_so_many(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    for iteration in (1, 2, 4, 5, 6, 7, 10):
        save(tmp_path, module, optimizer, iteration, keep_last=2, keep_every=4)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["iteration_000004", "iteration_000007", "iteration_000010"]


def test_none_where_there_is_none(tmp_path):
    assert load(tmp_path / "absent") is None


@pytest.mark.parametrize("damage", ["torn", "altered", "removed", "added"])
@pytest.mark.parametrize(
    "name", ["weights.safetensors", "optimizer.safetensors", "rule.safetensors", "state.json", "manifest.json"]
)
def test_a_damaged_checkpoint_is_passed_over_with_a_word(tiny_model, tmp_path, name, damage):
    module, optimizer = make(tiny_model)
    save(tmp_path, module, optimizer, 1)
    file = save(tmp_path, module, optimizer, 2) / name
    whole = file.read_bytes()
    if damage == "torn":
        file.write_bytes(whole[: len(whole) // 2])
    elif damage == "altered":
        file.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    elif damage == "removed":
        file.unlink()
    else:
        file.with_name(f"other_{name}").write_bytes(whole)
    words = []
    assert load(tmp_path, words=words).iteration == 1
    assert len(words) == 1 and "iteration_000002" in words[0]
    (tmp_path / "iteration_000001" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        load(tmp_path)


def test_a_checkpoint_beyond_the_record_is_passed_over(tiny_model, tmp_path):
    """Its iterations cannot be told any more."""
    module, optimizer = make(tiny_model)
    for iteration in (1, 2):
        save(tmp_path, module, optimizer, iteration)
    words = []
    assert load(tmp_path, 1, words).iteration == 1 and "only 1 iterations" in words[0]


def test_code_in_a_checkpoint_is_not_run(tiny_model, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    module, optimizer = make(tiny_model)
    folder = save(tmp_path / "run", module, optimizer)
    torch.save(Evil(), folder / "optimizer.safetensors")
    manifest.write(folder)
    with pytest.raises(CheckpointError):
        load(tmp_path / "run")
    assert not (tmp_path / "owned").exists()


def test_another_adapter_is_refused(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    save(tmp_path, module, optimizer)
    other, _ = tiny.actor_critic(tiny_model, objectives=2)
    with pytest.raises(CheckpointError, match="another model"):
        load(tmp_path).restore(other, optimizer)


def test_broken_weights_are_never_written(tiny_model, tmp_path):
    module, optimizer = make(tiny_model)
    save(tmp_path, module, optimizer, 1, keep_last=1)
    with torch.no_grad():
        module.heads.mlp[-1].bias[0] = float("inf")
    with pytest.raises(NumericalError, match=r"heads\.mlp\.3\.bias"):
        save(tmp_path, module, optimizer, 2, keep_last=1)
    assert load(tmp_path).iteration == 1
