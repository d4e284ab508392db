"""An executor that runs a sweep's tasks in this process, one after the other, so that they may use objects that cannot be pickled."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from lenity.sweep.executors import Answer, attempt


class InProcess:
    """Runs each task inside :meth:`submit`; :meth:`wait` returns its result."""

    room = 1

    def __init__(self) -> None:
        self._answers: list[Answer] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left running."""

    @property
    def free(self) -> int:
        """1, or 0 while the last task's result has not been fetched by :meth:`wait`."""
        return 0 if self._answers else 1

    @property
    def busy(self) -> bool:
        """Whether a result has not been fetched yet."""
        return bool(self._answers)

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run ``function(*arguments)`` to its end."""
        began = time.perf_counter()
        error = attempt(function, arguments)
        self._answers.append(Answer(task, time.perf_counter() - began, error))

    def wait(self, timeout: float) -> list[Answer]:
        """The result of the last task, as a list of one; empty if it was fetched before."""
        answers, self._answers = self._answers, []
        return answers
