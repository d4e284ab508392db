"""Where a sweep's tasks are carried out: what the sweep asks of an executor, and what it hears back."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from lenity.errors import LenityError


@dataclass(frozen=True)
class Answer:
    """What became of a task: seconds it took, its error if it failed, and whether that is the loss of its process or machine."""

    task: str
    seconds: float
    error: str | None = None
    lost: bool = False


class Executor(Protocol):
    """Carries out tasks side by side. Leaving its context ends what runs, at once."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def room(self) -> int:
        """How many tasks can run at once."""
        ...

    @property
    def free(self) -> int:
        """How many more can run now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        ...

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run ``function(*arguments)``; both are pickled."""
        ...

    def wait(self, timeout: float) -> list[Answer]:
        """The tasks that ended, waiting ``timeout`` seconds for the first of them."""
        ...


def attempt(function: Callable[..., None], arguments: Sequence[Any]) -> str | None:
    """Call it; the error as a user should read it, or None."""
    try:
        function(*arguments)
    except LenityError as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    return None
