"""The interface of executors, which run a sweep's tasks, and the result that they return per task."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from lenity.errors import LenityError


@dataclass(frozen=True)
class Answer:
    """The result of a task: its seconds, its error if it failed, and whether its process or machine was lost."""

    task: str
    seconds: float
    error: str | None = None
    lost: bool = False


class Executor(Protocol):
    """Runs tasks in parallel. Leaving its context terminates the running tasks at once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def room(self) -> int:
        """The number of tasks that can run at once."""
        ...

    @property
    def free(self) -> int:
        """The number of further tasks that can start now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        ...

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Start ``function(*arguments)`` as the task named ``task``; function and arguments are pickled."""
        ...

    def wait(self, timeout: float) -> list[Answer]:
        """The results of the tasks that have ended; waits up to ``timeout`` seconds for the first."""
        ...


def attempt(function: Callable[..., None], arguments: Sequence[Any]) -> str | None:
    """The error of ``function(*arguments)`` as text: a :class:`LenityError`'s message, any other's traceback; None on success."""
    try:
        function(*arguments)
    except LenityError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return None
