"""Callbacks: users' functions that the loop calls with the metrics row of each iteration, and that may end the run."""

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
    """The callbacks of one run, in order; the first process calls them and broadcasts whether the run ends."""

    def __init__(self, callbacks: Sequence[Callback], processes: Processes) -> None:
        self._callbacks, self._processes = callbacks, processes
        self._error: BaseException | None = None

    def __call__(self, row: dict[str, Any]) -> bool:
        """Whether the run ends after the iteration of ``row``, because a callback returned ``STOP`` or raised."""
        if not self._callbacks:
            return False
        return self._processes.broadcast_from_first(lambda: self._call_all(row))

    def reraise(self) -> None:
        """Raise the exception of a callback unchanged; to be called after the run is saved."""
        if self._error is not None:
            raise self._error

    def _call_all(self, row: dict[str, Any]) -> bool:
        try:
            results = [(callback, callback(dict(row))) for callback in self._callbacks]
            return any(_stops(callback, result) for callback, result in results)
        except (Exception, KeyboardInterrupt) as error:  # users' code may raise anything
            self._error = error
            return True


def _stops(callback: Callback, result: Any) -> bool:
    if result is not None and result is not STOP:
        raise ConfigError(
            f"callbacks: {_name(callback)} returned {result!r}.",
            "Return lenity.STOP to end the run, otherwise None.",
        )
    return result is STOP


def checked(callbacks: Any) -> list[Callback]:
    """The ``callbacks`` as functions of an iteration's row: each itself, or its method ``on_iteration``.

    Raises:
        ConfigError: a callback is neither a function nor has this method, such as a ``TrainerCallback`` of transformers.
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
            f"callbacks[{place}] is {callback!r}, which is not a function.",
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
