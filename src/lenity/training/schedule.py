"""The learning rate, a function of the settings and of the iterations done, so that a checkpoint need not store it."""

from __future__ import annotations

from typing import Any

import torch

from lenity.config.sections import PPO, Optimizer


def steps(ppo: PPO, batch_size: int, iterations: int) -> int:
    """The number of optimizer steps in ``iterations`` iterations of ``batch_size`` responses."""
    return iterations * ppo.epochs * -(-batch_size // (ppo.mini_batch_size * ppo.accumulation))


def schedule_of(settings: Optimizer, total: int, optimizer: torch.optim.Optimizer) -> Any:
    """The learning-rate schedule: a linear warm-up, then a cosine to the end of the run, over ``total`` optimizer steps."""
    from transformers import get_cosine_with_min_lr_schedule_with_warmup

    warmup = settings.warmup_steps if settings.warmup_steps >= 1 else settings.warmup_steps * total
    return get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, min(round(warmup), total), total, min_lr_rate=settings.final_fraction
    )


def advance(schedule: Any, step: int) -> None:
    """Set ``schedule`` and the learning rates of its optimizer to their state after ``step`` steps."""
    schedule.last_epoch = step
    for group, rate, factor in zip(
        schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True
    ):
        group["lr"] = rate * factor(step)


def rate(settings: Optimizer, total: int, done: int) -> float:
    """The policy's learning rate after ``done`` of the ``total`` optimizer steps."""
    schedule = schedule_of(settings, total, torch.optim.SGD([torch.zeros(())], lr=settings.learning_rate))
    return float(schedule.base_lrs[0] * schedule.lr_lambdas[0](done))
