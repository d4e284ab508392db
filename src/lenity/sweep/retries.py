"""Retries: a task whose process or machine was lost is submitted again; a task that failed by itself is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lenity.storage import lock
from lenity.sweep import tasks
from lenity.sweep.executors import Answer, Executor


class Retrying:
    """Wraps ``executor``: a lost task is retried, and its result is returned once no retry is left.

    Args:
        executor: runs the tasks; the task of a run has the run's folder as its name.
        retries: maximum of retries per task.
        tell: called with the name of a task that is retried, and the reason.
    """

    def __init__(self, executor: Executor, retries: int, tell: Callable[[str, str], None]) -> None:
        self._executor, self._retries, self._tell = executor, retries, tell
        self._calls: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {}
        self._losses: Counter[str] = Counter()
        self._spent: dict[str, float] = {}

    @property
    def free(self) -> int:
        """The number of further tasks that can start now."""
        return self._executor.free

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        return self._executor.busy

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Start ``function(*arguments)`` as the task named ``task``."""
        self._calls[task] = function, arguments
        self._executor.submit(task, function, *arguments)

    def wait(self, timeout: float) -> list[Answer]:
        """The results of the tasks that have ended; waits up to ``timeout`` seconds for the first. Seconds include all retries."""
        return [answer for answer in map(self._final, self._executor.wait(timeout)) if answer]

    def _final(self, answer: Answer) -> Answer | None:
        """The final result of a task; None if the task is retried."""
        task = answer.task
        self._spent[task] = self._spent.get(task, 0.0) + answer.seconds
        if not answer.lost or self._losses[task] >= self._retries:
            return replace(answer, seconds=self._spent[task])
        self._losses[task] += 1
        why = f"{answer.error} Tried again, {self._losses[task]} of {self._retries}."
        self._tell(task, why)
        function, arguments = self._calls[task]
        self._executor.submit(task, tasks.again, task, lock.holder(Path(task)), why, function, *arguments)
        return None
