"""Tasks whose process or machine was lost are given out again; tasks that failed are not."""

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
    """``executor``, whose answers come when nothing is left to try.

    Args:
        executor: carries out the tasks; a task that is a run has the run's folder as its name.
        retries: how often a task may be lost before that counts as its failure.
        tell: gets the name of a task that is tried again, and why.
    """

    def __init__(self, executor: Executor, retries: int, tell: Callable[[str, str], None]) -> None:
        self._executor, self._retries, self._tell = executor, retries, tell
        self._given: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {}
        self._losses: Counter[str] = Counter()
        self._spent: dict[str, float] = {}

    @property
    def free(self) -> int:
        """How many more tasks can run now."""
        return self._executor.free

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        return self._executor.busy

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run ``function(*arguments)``."""
        self._given[task] = function, arguments
        self._executor.submit(task, function, *arguments)

    def wait(self, timeout: float) -> list[Answer]:
        """The tasks that ended, waiting ``timeout`` seconds for the first of them; of seconds, those of all tries."""
        return [answer for answer in map(self._heard, self._executor.wait(timeout)) if answer]

    def _heard(self, answer: Answer) -> Answer | None:
        """None where it is tried again."""
        task = answer.task
        self._spent[task] = self._spent.get(task, 0.0) + answer.seconds
        if not answer.lost or self._losses[task] >= self._retries:
            return replace(answer, seconds=self._spent[task])
        self._losses[task] += 1
        why = f"{answer.error} Tried again, {self._losses[task]} of {self._retries}."
        self._tell(task, why)
        function, arguments = self._given[task]
        self._executor.submit(task, tasks.again, task, lock.holder(Path(task)), why, function, *arguments)
        return None
