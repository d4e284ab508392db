"""What users have called after each iteration: a function of the iteration's row, which may end the run."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from lenity.errors import ConfigError
from lenity.runs.method import Callback

if TYPE_CHECKING:
    from lenity.distributed.processes import Processes


class Stop(Enum):
    """The type of ``STOP``."""

    STOP = "stop"


STOP = Stop.STOP  # what a callback returns to end the run


class Called:
    """The callbacks of one run, in order; the first process calls them and all hear what came of it."""

    def __init__(self, callbacks: Sequence[Callback], processes: Processes) -> None:
        self._callbacks, self._processes = callbacks, processes
        self._error: BaseException | None = None

    def __call__(self, row: dict[str, Any]) -> bool:
        """Whether the run is to end after the iteration of ``row``: one returned ``STOP`` or raised."""
        if not self._callbacks:
            return False
        return self._processes.broadcast_from_first(lambda: self._ask(row))

    def reraise(self) -> None:
        """Raise what a callback raised, as it was, now that the run is saved."""
        if self._error is not None:
            raise self._error

    def _ask(self, row: dict[str, Any]) -> bool:
        try:
            answers = [(callback, callback(dict(row))) for callback in self._callbacks]
            return any(_stops(callback, answer) for callback, answer in answers)
        except (Exception, KeyboardInterrupt) as error:  # anyone's code
            self._error = error
            return True


def _stops(callback: Callback, answer: Any) -> bool:
    if answer is not None and answer is not STOP:
        raise ConfigError(
            f"callbacks: {_name(callback)} returned {answer!r}.",
            "Let it return lenity.STOP to end the run, else nothing.",
        )
    return answer is STOP


def checked(callbacks: Any) -> list[Callback]:
    """``callbacks`` as functions of an iteration's row: as they are, or their method ``on_iteration``.

    Raises:
        ConfigError: one is neither, such as a ``TrainerCallback`` of transformers.
    """
    if callbacks is None:
        return []
    if callable(callbacks) or isinstance(callbacks, str) or not hasattr(callbacks, "__iter__"):
        raise ConfigError(f"callbacks is {callbacks!r}.", "Give a list, such as callbacks=[on_iteration].")
    return [_checked(place, callback) for place, callback in enumerate(callbacks)]


def _checked(place: int, callback: Any) -> Callback:
    function = getattr(callback, "on_iteration", callback)
    kinds = callback.__mro__ if isinstance(callback, type) else type(callback).__mro__
    if any(kind.__name__ == "TrainerCallback" for kind in kinds) and function is callback:
        raise ConfigError(
            f"callbacks[{place}] is {_name(callback)}, a TrainerCallback of transformers, whose events Lenity's loop does not have.",
            "Give a function of the iteration's row: def on_iteration(row), which may return lenity.STOP.",
        )
    if not callable(function) or isinstance(callback, type):
        raise ConfigError(
            f"callbacks[{place}] is {callback!r}, which is no function.",
            "Give a function of the iteration's row, or an object with a method on_iteration(row).",
        )
    _check_call(place, function)
    return function  # type: ignore[no-any-return]


def _check_call(place: int, function: Callback) -> None:
    if inspect.iscoroutinefunction(function):
        raise ConfigError(f"callbacks[{place}] is the async function {_name(function)}.", "Give one that is not async.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a function in C
        return
    try:
        signature.bind({})
    except TypeError as error:
        raise ConfigError(
            f"callbacks[{place}] is {_name(function)}{signature}, which cannot be called with one row: {error}.",
            "Give a function of the iteration's row: def on_iteration(row), which may return lenity.STOP.",
        ) from error


def _name(callback: Any) -> str:
    named = callback if hasattr(callback, "__qualname__") else type(callback)
    return str(named.__qualname__)
