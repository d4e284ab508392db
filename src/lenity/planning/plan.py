"""The plan: memory, speed, time and cost per strategy, for a run and for a sweep."""

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
    """The estimates for one strategy.

    Args:
        strategy: name of the strategy.
        memory: bytes on one accelerator.
        fits: whether they fit into its memory.
        mini_batch: the largest mini-batch that fits; 0: none.
        recomputed: the same with ``policy.gradient_checkpointing``.
        splits: the smallest tensor parallelism in generation with which a mini-batch fits; None if it is not needed or does not help.
        seconds: seconds per iteration.
        hours: hours per run.
        cost: dollars per run.
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
    """The estimates of all strategies, and the job, accelerator and assumptions that they follow from."""

    job: Job
    gpu: Accelerator
    assumed: Assumptions
    points: int
    tensor_parallel: int
    rows: list[Row]

    def data(self) -> dict[str, Any]:
        """The plan as plain data, in bytes and seconds."""
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
    """The estimates for ``job`` under every strategy; with a single accelerator under DDP only.

    Args:
        job: sizes of the run.
        gpu: figures of one accelerator.
        assumed: assumptions that no data sheet settles.
        points: number of runs of a sweep, which use all accelerators one after the other.
        tensor_parallel: see :func:`lenity.planning.strategies.footprint`.
    """
    names: list[Strategy] = list(STRATEGIES) if job.gpus > 1 else ["ddp"]
    rows = [_row(job, name, gpu, assumed, tensor_parallel) for name in names]
    return Plan(job, gpu, assumed, points, tensor_parallel, rows)


def _row(job: Job, strategy: Strategy, gpu: Accelerator, assumed: Assumptions, tensor_parallel: int) -> Row:
    memory = footprint(job, strategy, assumed, tensor_parallel)
    per_iteration = seconds(job, strategy, gpu, assumed, tensor_parallel)
    hours = job.iterations * per_iteration.total / 3600
    largest = strategies.greatest_mini_batch(job, strategy, gpu, assumed, tensor_parallel)
    saving = replace(job, model=replace(job.model, gradient_checkpointing=True))
    recomputed = strategies.greatest_mini_batch(saving, strategy, gpu, assumed, tensor_parallel)
    splits = None
    if not largest and tensor_parallel == 1:
        useful = (
            n for n in DEGREES if job.gpus % n == 0 and strategies.greatest_mini_batch(job, strategy, gpu, assumed, n)
        )
        splits = next(useful, None)
    fits = memory.peak <= gpu.memory * GIB
    cost = hours * job.gpus * gpu.price
    return Row(strategy, memory, fits, largest, recomputed, splits, per_iteration, hours, cost)


def _model(job: Job) -> dict[str, Any]:
    model = job.model
    return asdict(model.shape) | {
        "parameters": model.shape.parameters, "trained": model.trained, "bytes": model.numbers.width,
        "lora": model.lora.model_dump(), "separate_critic": model.separate, "gradient_checkpointing": model.gradient_checkpointing,
    }  # fmt: skip
