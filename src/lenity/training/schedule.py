"""The learning rate: a function of the settings and of the iterations done, so that a resumed run needs no state of it."""

from __future__ import annotations

from typing import Any

import torch

from lenity.runs.config import RunConfig


def steps(config: RunConfig, iterations: int) -> int:
    """Optimizer steps in so many iterations."""
    window = config.ppo.mini_batch_size * config.ppo.accumulation
    return iterations * config.ppo.epochs * -(-config.rollout.batch_size // window)


def schedule_of(config: RunConfig, optimizer: torch.optim.Optimizer) -> Any:
    """A linear warm-up, then a cosine to the end of the run, a step an optimizer step."""
    from transformers import get_cosine_with_min_lr_schedule_with_warmup

    settings, total = config.optimizer, steps(config, config.iterations)
    warmup = settings.warmup_steps if settings.warmup_steps >= 1 else settings.warmup_steps * total
    return get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, min(round(warmup), total), total, min_lr_rate=settings.final_fraction
    )


def advance(schedule: Any, step: int) -> None:
    """Put ``schedule``, and the rates of its optimizer, where they are after ``step`` steps."""
    schedule.last_epoch = step
    for group, rate, factor in zip(
        schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
    ):
        group["lr"] = rate * factor(step)


def rate(config: RunConfig, iterations: int) -> float:
    """The policy's learning rate after so many iterations of ``config``."""
    optimizer = torch.optim.SGD([torch.zeros(())], lr=config.optimizer.learning_rate)
    schedule = schedule_of(config, optimizer)
    return float(schedule.base_lrs[0] * schedule.lr_lambdas[0](steps(config, iterations)))
