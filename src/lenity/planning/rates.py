"""Seconds per stage of an iteration, from operations, bytes moved and assumed utilisation. Nothing here is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lenity.planning.accelerators import NODE, Accelerator, Assumptions
from lenity.planning.job import Job
from lenity.planning.memory import WIDE
from lenity.planning.strategies import Strategy


@dataclass(frozen=True)
class Seconds:
    """The seconds per stage of one iteration on all accelerators."""

    generate: float
    score: float
    update: float

    @property
    def total(self) -> float:
        """The seconds of all stages, which run one after the other."""
        return self.generate + self.score + self.update


def seconds(job: Job, strategy: Strategy, gpu: Accelerator, assumed: Assumptions, tensor_parallel: int = 1) -> Seconds:
    """The seconds of an iteration of ``job``; communication overlaps with arithmetic in the update, and nowhere else."""
    power = gpu.flops * assumed.mfu
    gathered = job.model.frozen if strategy != "ddp" and job.gpus > 1 else 0.0
    gather = gathered * (1 - 1 / job.gpus) / (_link(job.gpus, gpu) * assumed.reach)
    passes = math.ceil(job.share / min(job.mini, job.share))
    forward, backward = _forward(job), _backward(job)
    scorers = sum(2 * scorer.parameters for scorer in job.scorers) * (job.prompt + job.response)
    advantages = job.share * (scorers + forward * (job.model.backbones + 1)) / power + 2 * passes * gather
    gathers = (2 if strategy == "fsdp2" else 1) * job.steps * math.ceil(job.dealt / job.mini)
    reduced = 2 * WIDE * job.model.trained / (_link(job.gpus, gpu) * assumed.reach) if job.gpus > 1 else 0.0
    arithmetic = job.steps * job.dealt * (job.model.backbones * (forward + backward) + job.compared * backward) / power
    update = max(arithmetic, gathers * gather + job.steps * reduced)
    return Seconds(_generate(job, gpu, assumed, tensor_parallel, gather), advantages, update)


def _generate(job: Job, gpu: Accelerator, assumed: Assumptions, parallel: int, gather: float) -> float:
    """The seconds of generation: processing the prompts, then one step per token.

    A step is bound by reading weights and cache, by arithmetic, or by the minimum time per layer.
    """
    shape, width = job.model.shape, job.model.numbers.width
    rows = min(job.at_once, job.share) * parallel
    rounds = math.ceil(job.share * parallel / rows)
    power, bandwidth = gpu.flops * assumed.mfu * parallel, gpu.bandwidth * assumed.reach * parallel
    operations = 2 * shape.parameters * rows
    weights = width * shape.parameters + WIDE * shape.adapter_parameters(job.model.lora)
    cache = 2 * shape.layers * shape.keys * width * rows * (job.prompt + job.response / 2)
    least = shape.layers * (assumed.layer_seconds if parallel == 1 else assumed.engine_layer_seconds)
    step = max((weights + cache) / bandwidth, operations / power, least)
    reading = operations * job.prompt / power
    copied = gather if parallel == 1 else width * shape.parameters / (_link(job.gpus, gpu) * assumed.reach)
    return rounds * (reading + step * job.response) + copied


def _forward(job: Job) -> float:
    """The operations per response of a forward pass: layers on all tokens, causal attention, the head on the response."""
    shape, tokens = job.model.shape, job.prompt + job.response
    layers = shape.layers * shape.layer_parameters + shape.adapter_parameters(job.model.lora)
    attention = 2 * shape.layers * shape.queries * tokens**2
    return 2 * layers * tokens + attention + 2 * shape.embedding * job.response


def _backward(job: Job) -> float:
    """The operations per response of a backward pass.

    They equal those of the forward pass, since frozen weights need no gradient of their own, plus the adapters' and attention's
    a second time; gradient checkpointing adds another forward pass.
    """
    shape, tokens = job.model.shape, job.prompt + job.response
    more = 2 * shape.adapter_parameters(job.model.lora) * tokens + 2 * shape.layers * shape.queries * tokens**2
    return _forward(job) * (2 if job.model.gradient_checkpointing else 1) + more


def _link(gpus: int, gpu: Accelerator) -> float:
    """The bytes per second into one accelerator; between machines, all network links of a machine are used together."""
    return gpu.link if gpus <= NODE else min(gpu.link, NODE * gpu.network)
