"""A Python function or object as a reward: ``type: given``. A configuration describes it; the object is handed over in Python."""

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
    """Scores through ``function(prompts, completions, **columns)``, in any form that :class:`FunctionReward` calls."""

    def __init__(self, name: str, function: Callable[..., Any], timeout: float | None = None) -> None:
        super().__init__(function, timeout=timeout)
        self._name = name

    def score(
        self, /, prompts: Sequence[str], responses: Sequence[str], *, conversations: Sequence[Any] = (), **columns: Any
    ) -> list[float]:
        """One score per completion; None, or what is not a finite number, where there is none.

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
    """A function or object that ``lenity.Trainer`` was given; only Python can load it, where it is given again."""

    name: str = Field(description="name of the objective in `reward_funcs`", examples=["polite"])
    function: str = Field(description="module and name of the function or class", examples=["my_rewards:polite"])
    source: str | None = Field(
        None, description="digest of its source, its defaults and the plain values it closes over; null: no source"
    )
    timeout: Positive | None = Field(
        600,
        description="seconds a batch may take before its responses go without a score; null: any. In the main thread, on POSIX",
    )

    @classmethod
    def of(cls, name: str, function: Any, **fields: Any) -> GivenSpec:
        """The description of ``function``, the reward of objective ``name``."""
        bare = _bare(function)
        named = bare if hasattr(bare, "__qualname__") else type(bare)
        return cls(name=name, function=f"{named.__module__}:{named.__qualname__}", source=_digest(function), **fields)

    def load(self, device: torch.device) -> Reward:
        """The object that was handed over under this name.

        Raises:
            RewardError: none was, or it is another than this.
        """
        self.check()
        found = _objects()[self.name].function
        return found if isinstance(found, Reward) else GivenReward(self.name, scorer(found), self.timeout)

    def check(self) -> None:
        """Raise ``RewardError`` unless the function that this describes was handed over."""
        found = _objects().get(self.name)
        if found is None:
            raise RewardError(
                f"reward '{self.name}' is the Python function {self.function}, which a configuration cannot hold: the run was made in Python.",
                f"Go on there, with reward_funcs={{'{self.name}': ...}} of lenity.Trainer, or of lenity.load_run(...).evaluate; "
                "for the command line write such a reward as type: function, function: file.py:name.",
            )
        other = found.spec
        if (other.function, other.source) != (self.function, self.source):
            raise RewardError(
                f"reward '{self.name}' is {other.function} (source {other.source}), and the run was made with {self.function} "
                f"(source {self.source}).",
                "Give the function that the run was made with.",
            )


@dataclass(frozen=True)
class Given:
    """A function or object, and its description, made before it was first called: what it closes over may change."""

    spec: GivenSpec
    function: Any


_GIVEN: ContextVar[Mapping[str, Given] | None] = ContextVar("given", default=None)


def _objects() -> Mapping[str, Given]:
    return _GIVEN.get() or {}


@contextmanager
def handed_over(objects: Mapping[str, Given]) -> Iterator[None]:
    """Within the block, the reward of each of these names can be loaded."""
    token = _GIVEN.set({**_objects(), **objects})
    try:
        yield
    finally:
        _GIVEN.reset(token)


def scorer(reward: Any) -> Callable[..., Any]:
    """What is called for scores: ``reward`` itself, or its method ``score``."""
    function: Callable[..., Any] = reward.score if callable(getattr(reward, "score", None)) else reward
    return function


def _bare(function: Any) -> Any:
    return _bare(function.func) if isinstance(function, partial) else getattr(function, "__func__", function)


def _digest(function: Any) -> str | None:
    """Of what the function's scores depend on, as far as it can be read: not of other functions that it calls."""
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
    """``value``, with the type in place of what may change or shows an address."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return repr(value) if isinstance(value, PLAIN) else type(value).__qualname__


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that is not bound yet
        return False
