"""What a node of a Ray cluster does for a sweep: it works in the sweep's folder, and answers with an error or None."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.errors import ConfigError
from lenity.storage import lock
from lenity.sweep import tasks
from lenity.sweep.executors import attempt


@dataclass(frozen=True)
class Place:
    """Where the sweep works: what a node must see as the sweep's own process does."""

    cwd: str
    folder: str
    holder: dict[str, Any] | None
    path: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Place:
        """This process's working directory and module path, and ``folder``, whose lock it holds."""
        return cls(str(Path.cwd()), str(folder), lock.holder(folder), tuple(map(os.path.abspath, sys.path)))

    def enter(self) -> None:
        """Work there.

        Raises:
            ConfigError: it is not there, or another folder has the same path.
        """
        try:
            os.chdir(self.cwd)
            seen = lock.holder(Path(self.folder))
        except OSError:
            seen = None
        if seen is None or seen != self.holder:
            raise ConfigError(
                f"node '{socket.gethostname()}' does not see the sweep's folder '{self.folder}' from '{self.cwd}'.",
                "Start the sweep in, and give --output on, a file system that every node mounts at the same path.",
            )
        sys.path += [entry for entry in self.path if entry not in sys.path]  # rewards may be functions of any module


def serve(
    place: Place, threads: int, environment: Mapping[str, str], function: Callable[..., None], arguments: tuple[Any, ...]
) -> str | None:  # fmt: skip
    """One task; its error, or None."""
    os.environ.update(environment)
    return attempt(place.enter, ()) or attempt(tasks.start, (threads,)) or attempt(function, arguments)


def greet(place: Place) -> tuple[str, str] | None:
    """Why this node cannot work in the sweep's folder, and the remedy; None where it can."""
    try:
        place.enter()
    except ConfigError as error:
        return error.what, error.remedy
    return None
