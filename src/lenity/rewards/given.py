"""A Python function or object as a reward: ``type: given``. A configuration describes it; the object itself is passed in Python."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lenity.config.sections import Positive
from lenity.errors import RewardError, ScoreCountError
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.rewards.function import FunctionReward
from lenity.rewards.no_score import as_score, in_order

if TYPE_CHECKING:
    import torch

PLAIN = (bool, int, float, str, bytes, type(None))


class GivenReward(FunctionReward):
    """A reward that calls ``function(prompts, completions, **columns)``, in any form that :class:`FunctionReward` can call."""

    def __init__(self, name: str, function: Callable[..., Any], timeout: float | None = None) -> None:
        super().__init__(function, timeout=timeout)
        self._name = name

    def score(
        self, /, prompts: Sequence[str], responses: Sequence[str], *, conversations: Sequence[Any] = (), **columns: Any
    ) -> list[float]:
        """One score per completion; a :class:`NoScore` for None and for values other than finite numbers.

        Raises:
            ScoreCountError: the function returned no list of numbers, or one of another length.
        """
        found = self._called.call(self._function, prompts, responses, columns, conversations)
        scores = in_order(found, f"reward '{self._name}'")
        if isinstance(scores, str | bytes) or not (hasattr(scores, "__len__") and hasattr(scores, "__iter__")):
            raise ScoreCountError(
                f"reward '{self._name}' returned {type(scores).__name__} for {len(responses)} completions.",
                "Return a list with one number per completion.",
            )
        if len(scores) != len(responses):
            raise ScoreCountError(
                f"reward '{self._name}' returned {len(scores)} scores for {len(responses)} completions.",
                "Return a list with one number per completion, in their order; None where there is no score.",
            )
        return [as_score(score) for score in scores]


@REWARDS.register("given")
class GivenSpec(RewardSpec):
    """A function or object passed to ``lenity.Trainer``; only Python can load it, where it is passed again."""

    name: str = Field(description="name of the objective in `reward_funcs`", examples=["polite"])
    function: str = Field(description="module and name of the function or class", examples=["my_rewards:polite"])
    source: str | None = Field(
        None,
        description="hash of its source, its defaults and the plain values in its closure; null: its source is not available",
    )
    timeout: Positive | None = Field(
        600,
        description="seconds per batch, after which the remaining responses have no score (in the main thread on POSIX); null: no limit",
    )

    @classmethod
    def of(cls, name: str, function: Any, **fields: Any) -> GivenSpec:
        """The description of ``function``, the reward of objective ``name``."""
        bare = _bare(function)
        named = bare if hasattr(bare, "__qualname__") else type(bare)
        return cls(name=name, function=f"{named.__module__}:{named.__qualname__}", source=_digest(function), **fields)

    def load(self, device: torch.device) -> Reward:
        """The reward of the object that was passed under this name.

        Raises:
            RewardError: no object was passed, or it differs from this description.
        """
        self.check()
        function = _objects()[self.name].function
        return function if isinstance(function, Reward) else GivenReward(self.name, scorer(function), self.timeout)

    def check(self) -> None:
        """Raise ``RewardError`` unless the function that this describes was passed."""
        passed = _objects().get(self.name)
        if passed is None:
            raise RewardError(
                f"reward '{self.name}' is the Python function {self.function}, which a configuration cannot hold: the run was made in Python.",
                f"Go on there, with reward_funcs={{'{self.name}': ...}} of lenity.Trainer, or of lenity.load_run(...).evaluate; "
                "for the command line write such a reward as type: function, function: file.py:name.",
            )
        other = passed.spec
        if (other.function, other.source) != (self.function, self.source):
            raise RewardError(
                f"reward '{self.name}' is {other.function} (source {other.source}), and the run was made with {self.function} "
                f"(source {self.source}).",
                "Pass the function that the run was made with.",
            )


@dataclass(frozen=True)
class Given:
    """A function or object with its description, which is computed before the first call, as values in its closure may change."""

    spec: GivenSpec
    function: Any


_GIVEN: ContextVar[Mapping[str, Given] | None] = ContextVar("given", default=None)


def _objects() -> Mapping[str, Given]:
    return _GIVEN.get() or {}


@contextmanager
def handed_over(objects: Mapping[str, Given]) -> Iterator[None]:
    """Make ``objects`` loadable as rewards, by name, inside the block."""
    token = _GIVEN.set({**_objects(), **objects})
    try:
        yield
    finally:
        _GIVEN.reset(token)


def scorer(reward: Any) -> Callable[..., Any]:
    """The function that returns scores: ``reward`` itself, or its method ``score``."""
    function: Callable[..., Any] = reward.score if callable(getattr(reward, "score", None)) else reward
    return function


def _bare(function: Any) -> Any:
    return _bare(function.func) if isinstance(function, partial) else getattr(function, "__func__", function)


def _digest(function: Any) -> str | None:
    """A hash of what the function's scores depend on, as far as it can be read, without other functions that it calls."""
    bare = _bare(function)
    try:
        text = inspect.getsource(bare if inspect.isroutine(bare) or inspect.isclass(bare) else type(bare))
    except (OSError, TypeError):
        return None
    cells = [cell.cell_contents for cell in getattr(bare, "__closure__", None) or () if _filled(cell)]
    defaults = getattr(bare, "__defaults__", None), *sorted((getattr(bare, "__kwdefaults__", None) or {}).items())
    bound = (function.args, *sorted(function.keywords.items())) if isinstance(function, partial) else ()
    held = _shown((tuple(cells), defaults, bound))
    return hashlib.sha256(f"{inspect.cleandoc(text)}\n{held}".encode()).hexdigest()[:16]


def _shown(value: Any) -> str:
    """A text of ``value``, with the type's name in place of objects that are mutable or shown by their address."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value) if isinstance(value, PLAIN) else type(value).__qualname__


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False
