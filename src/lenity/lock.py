"""One process at a time in a folder. The system frees the lock of a process that ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lenity.durable import replace_text, writing
from lenity.errors import FolderInUseError

LOCK, HOLDER = ".lock", ".holder.json"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made where it is missing.

    Raises:
        FolderInUseError: another process holds it, named with its host and since when.
        CheckpointError: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise FolderInUseError(
                f"'{folder}' is in use{_by(holder)}.", "Wait for that to end or stop it, or choose another --output."
            ) from None
    try:
        with writing(folder):
            since = datetime.now(UTC).isoformat(timespec="seconds")
            replace_text(holder, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        yield
    finally:
        with suppress(OSError):  # of a folder that has become read-only; what went wrong there is told already
            holder.unlink(missing_ok=True)
        lock.release()


def _by(holder: Path) -> str:
    try:
        data = json.loads(holder.read_text(encoding="utf-8"))
        return f" by process {data['pid']} on host '{data['host']}' since {data['since']}"
    except (OSError, ValueError, LookupError, TypeError):  # it is just being written
        return " by another process"
