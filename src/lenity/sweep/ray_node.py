"""The functions that Ray runs on a node: they work in the sweep's folder, and return an error or None."""

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
    """The working directory, sweep folder, lock holder and module path of the sweep's process; a node must see the same."""

    cwd: str
    folder: str
    holder: dict[str, Any] | None
    path: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Place:
        """The place of this process, which holds the lock of the sweep folder ``folder``."""
        return cls(str(Path.cwd()), str(folder), lock.holder(folder), tuple(map(os.path.abspath, sys.path)))

    def enter(self) -> None:
        """Change to the sweep's working directory, and add its module path.

        Raises:
            ConfigError: the sweep folder does not exist here, or this node has another folder at the same path.
        """
        try:
            os.chdir(self.cwd)
            holder = lock.holder(Path(self.folder))
        except OSError:
            holder = None
        if holder is None or holder != self.holder:
            raise ConfigError(
                f"node '{socket.gethostname()}' does not see the sweep's folder '{self.folder}' from '{self.cwd}'.",
                "Start the sweep in a folder that every node mounts at the same path, and give an --output on such a file system.",
            )
        sys.path += [entry for entry in self.path if entry not in sys.path]  # a reward may be a function of any module


def serve(
    place: Place, threads: int, environment: Mapping[str, str], function: Callable[..., None], arguments: tuple[Any, ...]
) -> str | None:  # fmt: skip
    """The error of ``function(*arguments)`` run in ``place`` with ``threads`` threads, or None on success."""
    os.environ.update(environment)
    return attempt(place.enter, ()) or attempt(tasks.start, (threads,)) or attempt(function, arguments)


def greet(place: Place) -> tuple[str, str] | None:
    """The reason why this node cannot work in the sweep's folder, and the remedy; None if it can."""
    try:
        place.enter()
    except ConfigError as error:
        return error.what, error.remedy
    return None
