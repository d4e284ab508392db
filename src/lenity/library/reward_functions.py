"""Conversion of ``reward_funcs`` (names, settings, functions, objects) to the settings of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lenity.config.base import TYPE
from lenity.errors import RewardError
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.rewards.given import Given, GivenSpec, scorer
from lenity.rewards.signature import Signature

FORMS = "a model's name or folder, a function f(prompts, completions, **columns), a reward object, or settings {'type': ...}"


def reward_fields(rewards: Any, argument: str = "reward_funcs") -> tuple[dict[str, Any], dict[str, Given]]:
    """The settings of each reward by name, and the Python functions and objects among the rewards.

    Raises:
        RewardError: a reward has none of the supported forms; the message names it.
    """
    if not isinstance(rewards, Mapping):
        raise RewardError(
            f"{argument} is {type(rewards).__name__}.",
            "Give a dict, by the names of the objectives: {'polite': polite}.",
        )
    if not rewards:
        raise RewardError(f"{argument} is empty.", "Name at least one reward.")
    fields: dict[str, Any] = {}
    functions: dict[str, Given] = {}
    for name, reward in rewards.items():
        where = f"{argument}[{name!r}]"
        if not isinstance(name, str):
            raise RewardError(f"{argument} has the key {name!r}.", "Name each objective by a string, such as 'polite'.")
        if isinstance(reward, RewardSpec | Mapping):
            fields[name] = reward
        elif isinstance(reward, str | Path):
            fields[name] = _named(str(reward))
        else:
            _check(where, reward)
            functions[name] = Given(GivenSpec.of(str(name), reward), reward)
            fields[name] = functions[name].spec
    return fields, functions


def _named(name: str) -> dict[str, Any]:
    """The settings of a reward given by name: a registered type, ``module:function``, ``file.py:function``, or else a model."""
    if name in set(REWARDS) and not Path(name).is_dir():
        return {TYPE: name}
    if ":" in name and not Path(name).exists():
        return {TYPE: "function", "function": name}
    return {TYPE: "model", "model": name}


def _check(where: str, reward: Any) -> None:
    """Check that ``reward`` can be called for scores.

    Raises:
        RewardError: it cannot; the message names ``where``.
    """
    if isinstance(reward, Reward):
        return
    if isinstance(reward, type):
        raise RewardError(f"{where} is the class {reward.__name__}.", f"Give an instance: {reward.__name__}(...).")
    if any(
        kind.__name__ in {"PreTrainedModel", "Module"} and kind.__module__.split(".")[0] in {"transformers", "torch"}
        for kind in type(reward).__mro__
    ):
        raise RewardError(
            f"{where} is the loaded model {type(reward).__name__}.",
            "Give its hub name or folder, or a function that scores with it.",
        )
    if not callable(function := scorer(reward)):
        raise RewardError(f"{where} is {type(reward).__name__}.", f"Give {FORMS}.")
    _check_call(where, function)


def _check_call(where: str, function: Callable[..., Any]) -> None:
    import inspect

    if inspect.iscoroutinefunction(function):
        raise RewardError(f"{where} is an async function.", "Give one that returns the scores: asyncio.run inside it.")
    try:
        Signature.of(function)
    except RewardError as error:
        raise RewardError(
            f"{where}: {error.what}",
            "Let it take the prompts and the completions: def polite(prompts, completions, **columns).",
        ) from error
