"""What a resumed run takes from its checkpoint where settings have changed, and what it says of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lenity.config.base import dump_member
from lenity.config.load import parse
from lenity.runs.config import RunConfig
from lenity.runs.method import METHODS
from lenity.training.schedule import rate, steps

# and the method, and rollout.batch_size
KEPT = ("iterations", "weights", "estimator", "ppo", "kl", "optimizer", "budget")


def settings(config: RunConfig) -> dict[str, Any]:
    """The settings that saved state comes from, which a checkpoint keeps beside it."""
    found = config.model_dump(mode="json", include=set(KEPT))
    return found | {
        "method": dump_member(config.method, METHODS),
        "rollout": {"batch_size": config.rollout.batch_size},
    }


def made_with(state: Mapping[str, Any], recorded: RunConfig) -> RunConfig:
    """The configuration that a checkpoint was made with; where an older one does not say, what is ``recorded`` of the run."""
    base = recorded.dump() | {"preset": None, "estimator": None}  # one that does not say had its method's own
    return parse(RunConfig, base | state.get("settings", {}), source="the checkpoint")


def outlook(before: RunConfig, now: RunConfig, iterations: int, tokens: int) -> str | None:
    """What becomes of the learning rate and of what a rule schedules; None where they go on as they would have.

    Args:
        before: what the run had been doing.
        now: what it does from here.
        iterations: done.
        tokens: generated so far.
    """
    then, here = (_scheduled(config, iterations, tokens) for config in (before, now))
    longer = (before.iterations, before.budget) != (now.iterations, now.budget)
    if iterations >= now.iterations or not (longer or then != here):
        return None
    texts = [
        f"{name.replace('_', ' ')} {value:.3g}"
        + (f" (it had come to {then[name]:.3g})" if then.get(name, value) != value else "")
        for name, value in here.items()
    ]
    return f"Iteration {iterations + 1} of {now.iterations} begins with {', '.join(texts)}."


def _scheduled(config: RunConfig, iterations: int, tokens: int) -> dict[str, float]:
    """The numbers that follow from how much is done."""
    moving = {}
    if rule := config.method.loop_rule:
        at = rule.at(config.progress(iterations, tokens))
        both = {name: (getattr(rule, name), getattr(at, name)) for name in type(rule).model_fields}
        moving = {name: now for name, (first, now) in both.items() if now != first}
    done, total = (steps(config.ppo, config.rollout.batch_size, count) for count in (iterations, config.iterations))
    return {"learning_rate": rate(config.optimizer, total, done)} | {
        name: float(value) for name, value in moving.items() if isinstance(value, int | float)
    }
