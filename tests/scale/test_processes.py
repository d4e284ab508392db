"""What needs no second process: portions, draws, gradients summed, launchers refused."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from hypothesis import given
from hypothesis import strategies as st

import tiny
from lenity.distributed import launch, seeds
from lenity.distributed.processes import Processes
from lenity.distributed.shares import round_robin, shard
from lenity.errors import ConfigError, ProcessError
from lenity.rewards.no_score import NoScore
from lenity.rollout.batch import concatenate
from lenity.rollout.draws import Draws
from lenity.rollout.transformers import TransformersGenerator
from lenity.update.gradients import sum_gradients
from scale.launched import CONFIGS

sizes = st.integers(0, 40), st.integers(1, 7)


@given(*sizes)
def test_portions_are_all_rows_in_order_and_alike_in_size(rows, count):
    parts = [list(range(rows))[shard(rows, rank, count)] for rank in range(count)]
    assert [row for part in parts for row in part] == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(*sizes, st.integers(1, 5))
def test_rows_are_dealt_once_in_as_many_pieces_for_each(rows, count, size):
    hands = [round_robin(torch.arange(rows), rank, count, size) for rank in range(count)]
    assert sorted(int(row) for hand in hands for piece in hand for row in piece) == list(range(rows))
    assert len({len(hand) for hand in hands}) == 1
    assert all(len(piece) <= size for hand in hands for piece in hand)
    assert {len(hand) for hand in hands} == {math.ceil(math.ceil(rows / count) / size)}, "and no more than are needed"


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_draws_of_some_rows_are_theirs_among_all(rows, tokens, data):
    torch.manual_seed(rows)
    draws = Draws.of(rows, tokens)
    first = data.draw(st.integers(0, rows - 1))
    last = data.draw(st.integers(first, rows))
    assert torch.equal(draws[first:last].uniform, draws.uniform[:, first:last])
    torch.manual_seed(rows)
    one_by_one = torch.stack([torch.rand(rows, dtype=torch.float64) for _ in range(tokens)])
    assert torch.equal(draws.uniform, one_by_one)


@pytest.mark.parametrize("decodes", [True, False], ids=["decoding", "the model's generate"])
def test_a_response_is_the_same_in_any_company(tiny_model, monkeypatch, decodes):
    """All at once, in small batches, and in three portions."""
    monkeypatch.setattr("lenity.rollout.transformers.decodes", lambda model: decodes)
    module, tokenizer = tiny.actor_critic(tiny_model)
    prompts = ["\n\nHuman: " + "sure " * (i % 4 + 1) + "\n\nAssistant:" for i in range(11)]
    generator = TransformersGenerator(module.policy, tokenizer, max_new_tokens=8)
    torch.manual_seed(2)
    draws = Draws.of(11, 8)
    whole = generator.generate(prompts, draws=draws)
    small = TransformersGenerator(module.policy, tokenizer, max_new_tokens=8, batch_size=2).generate(
        prompts, None, draws
    )
    rows = [shard(11, rank, 3) for rank in range(3)]
    shared = concatenate([generator.generate(prompts[own], None, draws[own]) for own in rows])
    assert whole.responses == small.responses == shared.responses and len(set(whole.responses)) > 3
    assert whole.prompts == shared.prompts and torch.equal(whole.finished, shared.finished)
    for name in ("prompt_mask", "response_mask"):
        assert torch.equal(getattr(whole, name), getattr(shared, name))
    assert torch.equal(whole.response_ids[whole.response_mask], shared.response_ids[shared.response_mask])


def test_a_pass_over_no_rows_is_worth_nothing(tiny_model):
    module, tokenizer = tiny.actor_critic(tiny_model)
    none = tiny.rollouts(tokenizer).select(torch.arange(0))
    assert len(none) == 1 and not none.response_mask.any()
    outputs = module(**none.inputs)
    assert not outputs.logprobs.any() and not outputs.values.any()
    (outputs.logprobs.sum() + outputs.values.sum()).backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients and not any(gradient.any() for gradient in gradients)


class WithOther(Processes):
    """The first of two processes; the other's gradients are given."""

    def total(self, values):
        return values + self.others


def test_gradients_are_summed_and_one_that_nobody_has_stays_away():
    parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in range(4)]
    parameters[0].grad, parameters[1].grad = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    two = WithOther(0, 2)
    object.__setattr__(two, "others", torch.tensor([1.0, 0, 1, 0, *(10.0, 20, 0, 0, 30, 40, 0, 0)]))
    sum_gradients(parameters, two)
    found = [None if p.grad is None else p.grad.tolist() for p in parameters]
    assert found == [[11.0, 22.0], [3.0, 4.0], [30.0, 40.0], None]


def test_processes_part_ways_but_for_the_first():
    def drawn(rank):
        seeds.seed(3, "update", 1)
        torch.rand(5)
        seeds.fork_rng_by_rank(rank)
        return torch.rand(1).item()

    seeds.seed(3, "update", 1)
    torch.rand(5)
    together = torch.rand(1).item()
    assert drawn(0) == together
    assert len({drawn(rank) for rank in range(4)}) == 4 and drawn(2) == drawn(2)


def test_a_missing_score_keeps_its_reason_on_the_way_to_other_processes():
    found = pickle.loads(pickle.dumps(NoScore("an empty response")))
    assert isinstance(found, NoScore) and found != found and found.why == "an empty response"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed.*configs/accelerate/zero2.yaml"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "version 1.*fsdp_version: 2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params: false"),
        ({"ACCELERATE_MIXED_PRECISION": "bf16"}, "'bf16'.*policy.dtype"),
    ],
)  # fmt: skip
def test_what_would_be_ignored_is_refused(settings, named, monkeypatch):
    launch.check()
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=named):
        launch.init_distributed(1.0)


def test_only_what_a_lost_process_causes_becomes_its_error():
    for processes, said, kind in (
        (Processes(0, 2), "Connection closed by peer [127.0.0.1]:1", ProcessError),
        (Processes(0, 2), "shapes do not match", RuntimeError),
        (Processes(), "Connection closed by peer [127.0.0.1]:1", RuntimeError),
    ):
        with pytest.raises(kind) as found, processes.watched():
            raise RuntimeError(said)
        assert type(found.value) is kind
    with pytest.raises(ProcessError, match=r"silent for more than tolerance\.silence"), Processes(0, 2).watched():
        raise RuntimeError("Timed out waiting 5000ms for recv operation to complete")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_configurations_are_accelerates_and_start_several_processes(file):
    found = load_config_from_file(str(file))
    assert found.num_processes == 2 and found.mixed_precision == "no"
    sharded = "ddp" not in file.stem
    assert (str(found.distributed_type.value) == "FSDP") is sharded
    if sharded:
        assert found.fsdp_config["fsdp_version"] == 2
        assert found.fsdp_config["fsdp_reshard_after_forward"] is (file.stem != "zero2")


def test_each_process_keeps_its_part_of_the_frozen_weights_and_all_that_is_trained(tiny_model):
    """The first of four processes, whose others only seem to be there."""
    code = """
import sys, torch, tiny
from torch import distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore
from lenity.distributed.sharding import kept, shard
dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=4)
module, _ = tiny.actor_critic(sys.argv[1])
shard(module, torch.device("cpu"), again=True)
frozen, trained = [], []
for p in module.parameters():
    (trained if p.requires_grad else frozen).append((kept(p), p.numel()))
print(*(sum(column) for part in (frozen, trained) for column in zip(*part)))
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)], check=False, capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    part, frozen, own, trained = map(int, found.stdout.split())
    assert own == trained and part == pytest.approx(frozen / 4, rel=0.05)
