"""A Python function as a reward: ``type: function``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lenity.config.sections import Positive
from lenity.errors import RewardError
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.rewards.no_score import NoScore, as_score, in_order
from lenity.rewards.signature import CONVERSATIONS, Signature

if TYPE_CHECKING:
    import torch


class FunctionReward(Reward):
    """A reward that calls ``function(prompts, responses, **columns)``; values other than finite numbers become :class:`NoScore`.

    Raises:
        RewardError: the function cannot be called in this way.
    """

    def __init__(self, function: Callable[..., Sequence[Any]], sign: int = 1, timeout: float | None = None) -> None:
        self._function, self._sign, self.timeout = function, sign, timeout
        self._called = Signature.of(function)

    @cached_property
    def signature(self) -> Signature:
        """The signature of :meth:`score`, with the columns that the function takes."""
        own = (CONVERSATIONS,) if CONVERSATIONS in self._called.by_name else ()
        return replace(self._called, places=2, by_name=own)

    def score(
        self, /, prompts: Sequence[str], responses: Sequence[str], *, conversations: Sequence[Any] = (), **columns: Any
    ) -> list[float]:
        """The function's scores, times the sign; :func:`lenity.rewards.asking.ask` handles its exceptions."""
        returned = self._called.call(self._function, prompts, responses, columns, conversations)
        name = getattr(self._function, "__qualname__", type(self._function).__qualname__)
        scores = map(as_score, in_order(returned, f"reward function {name}"))
        return [score if isinstance(score, NoScore) else self._sign * score for score in scores]


@REWARDS.register("function")
class FunctionSpec(RewardSpec):
    """A Python function ``f(prompts, responses, **columns)`` that returns one number per response; it is called with the columns in its parameters."""

    places = ("function",)
    function: str = Field(
        description="package.module:function or file.py:function", examples=["my_rewards.py:politeness"]
    )
    sign: int = Field(1, ge=-1, le=1, description="1, or -1 if a lower score is better")
    timeout: Positive | None = Field(
        600,
        description="seconds per batch, after which the remaining responses have no score (in the main thread on POSIX); null: no limit",
    )

    def load(self, device: torch.device) -> FunctionReward:
        """The reward with the imported function; ``device`` is not used."""
        return FunctionReward(_find(self.function), self.sign, self.timeout)


def _find(address: str) -> Any:
    place, _, name = address.rpartition(":")
    if not place:
        raise RewardError(f"function is '{address}'.", "Write package.module:function or file.py:function.")
    try:
        module = _from_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:  # users' code may raise anything
        why = str(error) if isinstance(error, ImportError | OSError) else f"{type(error).__name__}: {error}"
        raise RewardError(
            f"cannot import '{place}' of function '{address}': {why}.",
            "Correct it, check the path, or install the package.",
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise RewardError(f"'{place}' has no function '{name}'.", "Check the name after the colon.")
    return function


def _from_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
