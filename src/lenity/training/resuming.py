"""The settings with which a checkpoint was saved, and the message of a resumed run whose settings differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lenity.config.base import dump_member
from lenity.config.load import parse
from lenity.runs.config import RunConfig
from lenity.runs.method import METHODS
from lenity.training.schedule import rate, steps

# stored with a checkpoint, beside the method and rollout.batch_size
KEPT = ("iterations", "weights", "estimator", "ppo", "kl", "optimizer", "budget")


def settings(config: RunConfig) -> dict[str, Any]:
    """The settings that determine the saved state, which a checkpoint stores beside it."""
    sections = config.model_dump(mode="json", include=set(KEPT))
    return sections | {
        "method": dump_member(config.method, METHODS),
        "rollout": {"batch_size": config.rollout.batch_size},
    }


def made_with(state: Mapping[str, Any], recorded: RunConfig) -> RunConfig:
    """The configuration that a checkpoint was saved with; settings that an older checkpoint lacks are those ``recorded`` in the run."""
    base = recorded.dump() | {
        "preset": None,
        "estimator": None,
    }  # a checkpoint without an estimator used its method's own
    return parse(RunConfig, base | state.get("settings", {}), source="the checkpoint")


def outlook(before: RunConfig, now: RunConfig, iterations: int, tokens: int) -> str | None:
    """A message about the learning rate and the rule's scheduled settings after a resume; None if they continue as before.

    Args:
        before: the configuration of the checkpoint.
        now: the configuration of the resumed run.
        iterations: iterations done.
        tokens: tokens generated so far.
    """
    old, new = (_scheduled(config, iterations, tokens) for config in (before, now))
    longer = (before.iterations, before.budget) != (now.iterations, now.budget)
    if iterations >= now.iterations or not (longer or old != new):
        return None
    texts = [
        f"{name.replace('_', ' ')} {value:.3g}"
        + (f" (it was {old[name]:.3g} before)" if old.get(name, value) != value else "")
        for name, value in new.items()
    ]
    return f"Iteration {iterations + 1} of {now.iterations} begins with {', '.join(texts)}."


def _scheduled(config: RunConfig, iterations: int, tokens: int) -> dict[str, float]:
    """The learning rate and the rule's scheduled settings at this point of training, by name."""
    moving = {}
    if rule := config.method.loop_rule:
        at = rule.at(config.progress(iterations, tokens))
        both = {name: (getattr(rule, name), getattr(at, name)) for name in type(rule).model_fields}
        moving = {name: now for name, (first, now) in both.items() if now != first}
    done, total = (steps(config.ppo, config.rollout.batch_size, count) for count in (iterations, config.iterations))
    return {"learning_rate": rate(config.optimizer, total, done)} | {
        name: float(value) for name, value in moving.items() if isinstance(value, int | float)
    }
