"""Sharding strategies, and the memory of each stage under them.

The strategies are those of configs/accelerate: trained weights are replicated on every accelerator; only frozen weights are sharded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lenity.planning import memory
from lenity.planning.accelerators import Accelerator, Assumptions
from lenity.planning.job import Job
from lenity.planning.memory import WIDE

GIB = 2**30
Strategy = Literal["ddp", "fsdp2", "zero2"]
STRATEGIES: dict[Strategy, str] = {
    "ddp": "DDP: the whole model on every GPU",
    "fsdp2": "FSDP2, as ZeRO-3: the frozen weights are sharded; layers are unsharded for each pass",
    "zero2": "as ZeRO-2: the frozen weights are sharded at rest; the layers of a forward pass stay unsharded until the backward pass",
}


@dataclass(frozen=True)
class Footprint:
    """The bytes on one accelerator.

    Args:
        resident: bytes that are held at all times, by part.
        stages: bytes that each stage adds at its peak, by stage and part.
        lost: bytes of contexts and communication, and of fragmentation.
    """

    resident: dict[str, float]
    stages: dict[str, dict[str, float]]
    lost: float

    @property
    def fullest(self) -> str:
        """The stage with the highest peak."""
        return max(self.stages, key=lambda stage: sum(self.stages[stage].values()))

    @property
    def peak(self) -> float:
        """The peak bytes over all stages."""
        return sum(self.resident.values()) + sum(self.stages[self.fullest].values()) + self.lost


def footprint(job: Job, strategy: Strategy, assumed: Assumptions, tensor_parallel: int = 1) -> Footprint:
    """The memory of ``job`` under ``strategy``.

    Args:
        job: sizes of the run.
        strategy: how weights are sharded.
        assumed: overhead and fragmentation.
        tensor_parallel: accelerators over which a generation engine splits its copy of the policy; 1: the policy itself generates.
    """
    model, frozen = job.model, job.model.frozen
    sharded = strategy != "ddp" and job.gpus > 1
    held = frozen / job.gpus if sharded else frozen
    missing = frozen - held
    resident = {
        "weights": held,
        "reward models": model.numbers.width * sum(scorer.parameters for scorer in job.scorers),
        **{part: size * model.trained for part, size in memory.TRAINED.items()},
    }
    for_pass = 0.0 if not sharded else missing if strategy == "zero2" else min(missing, _units(job))
    batch, score = job.rows(min(job.mini, job.dealt)), memory.scoring(model, job.rows(job.mini))
    scored = max(
        [
            score + (min(missing, _units(job)) if sharded else 0),
            *(_scorer_work(job, s.hidden, s.batch) for s in job.scorers),
        ]
    )
    stages = {
        "generate": _generation(job, missing if sharded else 0.0, tensor_parallel),
        "score": {"work": scored},
        "update": {"gathered weights": for_pass, **memory.update(model, batch)},
    }
    stages = {stage: {part: size for part, size in parts.items() if size} for stage, parts in stages.items()}
    whole = sum(resident.values()) + max(sum(parts.values()) for parts in stages.values())
    return Footprint(resident, stages, assumed.overhead * GIB + assumed.fragments * whole)


def greatest_mini_batch(
    job: Job, strategy: Strategy, gpu: Accelerator, assumed: Assumptions, tensor_parallel: int = 1
) -> int:
    """The largest ``ppo.mini_batch_size`` that fits, a power of two or the whole shard of the batch; 0 if none fits.

    The number of responses per optimizer step stays the same.
    """
    sizes: list[int] = sorted({job.share, *(2**power for power in range(12) if 2**power < job.share)}, reverse=True)
    for size in sizes:
        if (
            footprint(
                replace(job, mini=size, accumulation=-(-job.step // size)), strategy, assumed, tensor_parallel
            ).peak
            <= gpu.memory * GIB
        ):
            return size
    return 0


def _units(job: Job) -> float:
    """The bytes of unsharded weights during a pass: two layers, one in use and one being gathered, and embedding and head."""
    shape = job.model.shape
    ends = shape.parameters - shape.layers * shape.layer_parameters
    return job.model.numbers.width * (2 * shape.layer_parameters + ends)


def _generation(job: Job, missing: float, tensor_parallel: int) -> dict[str, float]:
    if tensor_parallel == 1:
        sizes = memory.generation(job.model, job.rows(job.at_once), nucleus=job.nucleus)
        return {"gathered weights": missing, **sizes}
    # The engine's copy of the policy and the cache of the group's responses are split over the group.
    shape, group = job.model.shape, min(job.at_once, job.share) * tensor_parallel
    tokens = group * (job.prompt + job.response)
    cache = shape.layers * 2 * shape.keys * job.model.numbers.width * tokens / tensor_parallel
    draw = WIDE * group * shape.vocabulary / tensor_parallel
    return {
        "engine's weights": job.model.numbers.width * shape.parameters / tensor_parallel,
        "cache": cache,
        "work": draw,
    }


def _scorer_work(job: Job, hidden: int, batch: int) -> float:
    """The peak bytes of a reward model's layer: the residual, and an MLP of four times its width around the activation."""
    return job.model.numbers.width * batch * min(job.prompt + job.response, 1024) * hidden * (2 + 3 * 4)
