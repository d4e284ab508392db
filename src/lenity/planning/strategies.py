"""How the weights lie on the accelerators, and what each stage then holds.

The strategies are those of configs/accelerate: what is trained stays whole everywhere, only the frozen weights are shared out.
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
    "ddp": "DDP: the whole model everywhere",
    "fsdp2": "FSDP2, as ZeRO-3: a part of the frozen weights each; layers are gathered for each pass",
    "zero2": "as ZeRO-2: a part each at rest; what a forward pass gathers stays until the backward pass",
}


@dataclass(frozen=True)
class Footprint:
    """Bytes on one accelerator: what is always there, and what each stage adds at its fullest.

    Args:
        resident: by part.
        stages: by stage, by part.
        lost: contexts, communication, and the fragments of all the rest.
    """

    resident: dict[str, float]
    stages: dict[str, dict[str, float]]
    lost: float

    @property
    def fullest(self) -> str:
        """The stage with the peak."""
        return max(self.stages, key=lambda stage: sum(self.stages[stage].values()))

    @property
    def peak(self) -> float:
        """Of all stages."""
        return sum(self.resident.values()) + sum(self.stages[self.fullest].values()) + self.lost


def footprint(job: Job, strategy: Strategy, assumed: Assumptions, tensor_parallel: int = 1) -> Footprint:
    """What ``job`` holds under ``strategy``.

    Args:
        job: sizes.
        strategy: how weights lie.
        assumed: overhead and fragments.
        tensor_parallel: accelerators over which the engine that generates splits a copy of its own; 1: the policy itself generates.
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
    """The largest ``ppo.mini_batch_size`` with which steps of the same size fit, a power of two or the share; 0 where none does."""
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
    """Two layers, one in use and one on its way, and embedding and head, which stay for a pass."""
    shape = job.model.shape
    ends = shape.parameters - shape.layers * shape.layer_parameters
    return job.model.numbers.width * (2 * shape.layer_parameters + ends)


def _generation(job: Job, missing: float, tensor_parallel: int) -> dict[str, float]:
    if tensor_parallel == 1:
        found = memory.generation(job.model, job.rows(job.at_once), nucleus=job.nucleus)
        return {"gathered weights": missing, **found}
    # A copy of the policy and the cache of the group's responses, split over the group.
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
    """A reward model's layer at its widest: residual, and an MLP of four widths before, within and after its activation."""
    return job.model.numbers.width * batch * min(job.prompt + job.response, 1024) * hidden * (2 + 3 * 4)
