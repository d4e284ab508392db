"""Carries out a sweep's tasks in this very process, one after the other: they can use what cannot be sent to another."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from lenity.sweep.executors import Answer, attempt


class InProcess:
    """Does each task as it is submitted, and answers when it is waited for."""

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
        """One, once the last answer was heard."""
        return 0 if self._answers else 1

    @property
    def busy(self) -> bool:
        """Whether an answer waits to be heard."""
        return bool(self._answers)

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run ``function(*arguments)``."""
        began = time.perf_counter()
        error = attempt(function, arguments)
        self._answers.append(Answer(task, time.perf_counter() - began, error))

    def wait(self, timeout: float) -> list[Answer]:
        """The answer to the last task."""
        answers, self._answers = self._answers, []
        return answers
