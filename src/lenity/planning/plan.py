"""The plan: each strategy's memory, speed, days and cost, for a run and for a sweep."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lenity.planning import strategies
from lenity.planning.accelerators import Accelerator, Assumptions
from lenity.planning.job import Job
from lenity.planning.rates import Seconds, seconds
from lenity.planning.strategies import GIB, STRATEGIES, Footprint, Strategy, footprint

DEGREES = (2, 4, 8)  # of tensor parallelism, within a machine


@dataclass(frozen=True)
class Row:
    """One strategy.

    Args:
        strategy: its name.
        memory: on one accelerator.
        fits: into it.
        mini_batch: the largest that does; 0: none.
        recomputed: the same with ``policy.gradient_checkpointing``.
        splits: the least tensor parallelism in generation with which it fits; None where that is of no use.
        seconds: of an iteration.
        hours: of a run.
        cost: of a run, dollars.
    """

    strategy: Strategy
    memory: Footprint
    fits: bool
    mini_batch: int
    recomputed: int
    splits: int | None
    seconds: Seconds
    hours: float
    cost: float


@dataclass(frozen=True)
class Plan:
    """Rows, and what they rest on."""

    job: Job
    gpu: Accelerator
    assumed: Assumptions
    points: int
    tensor_parallel: int
    rows: list[Row]

    def data(self) -> dict[str, Any]:
        """Plain data, bytes and seconds."""
        rows = [
            asdict(row)
            | {"peak": row.memory.peak, "sweep_hours": row.hours * self.points, "sweep_cost": row.cost * self.points}
            for row in self.rows
        ]
        shared = {"job": asdict(self.job) | {"model": _model(self.job)}, "gpu": self.gpu.model_dump()}
        return shared | {
            "assumed": self.assumed.model_dump(),
            "points": self.points,
            "tensor_parallel": self.tensor_parallel,
            "strategies": rows,
        }


def plan(job: Job, gpu: Accelerator, assumed: Assumptions, *, points: int, tensor_parallel: int = 1) -> Plan:
    """Every strategy for ``job``; a single accelerator has but one.

    Args:
        job: sizes.
        gpu: one of its accelerators.
        assumed: what no data sheet says.
        points: runs of a sweep, one after the other on all accelerators.
        tensor_parallel: see :func:`lenity.planning.strategies.footprint`.
    """
    names: list[Strategy] = list(STRATEGIES) if job.gpus > 1 else ["ddp"]
    rows = [_row(job, name, gpu, assumed, tensor_parallel) for name in names]
    return Plan(job, gpu, assumed, points, tensor_parallel, rows)


def _row(job: Job, strategy: Strategy, gpu: Accelerator, assumed: Assumptions, tensor_parallel: int) -> Row:
    held = footprint(job, strategy, assumed, tensor_parallel)
    took = seconds(job, strategy, gpu, assumed, tensor_parallel)
    hours = job.iterations * took.total / 3600
    largest = strategies.greatest_mini_batch(job, strategy, gpu, assumed, tensor_parallel)
    saving = replace(job, model=replace(job.model, gradient_checkpointing=True))
    recomputed = strategies.greatest_mini_batch(saving, strategy, gpu, assumed, tensor_parallel)
    splits = None
    if not largest and tensor_parallel == 1:
        useful = (
            n for n in DEGREES if job.gpus % n == 0 and strategies.greatest_mini_batch(job, strategy, gpu, assumed, n)
        )
        splits = next(useful, None)
    fits = held.peak <= gpu.memory * GIB
    return Row(strategy, held, fits, largest, recomputed, splits, took, hours, hours * job.gpus * gpu.price)


def _model(job: Job) -> dict[str, Any]:
    model = job.model
    return asdict(model.shape) | {
        "parameters": model.shape.parameters, "trained": model.trained, "bytes": model.numbers.width,
        "lora": model.lora.model_dump(), "separate_critic": model.separate, "gradient_checkpointing": model.gradient_checkpointing,
    }  # fmt: skip
