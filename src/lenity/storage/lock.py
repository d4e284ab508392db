"""One process at a time in a folder. The system frees the lock of a process that ends, however it ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lenity.errors import FolderInUseError
from lenity.storage.atomic_io import replace_text, writing

LOCK, HOLDER = ".lock", ".holder.json"
LEASE = 100.0  # seconds; NFS keeps the locks of a client that is gone for 90, and a node that Ray has given up ends within 60


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made where it is missing.

    Raises:
        FolderInUseError: another process holds it, named with its host and since when.
        CheckpointError: the folder cannot be written to.
    """
    from filelock import FileLock, Timeout

    lock, record = FileLock(folder / LOCK), folder / HOLDER
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise FolderInUseError(
                f"'{folder}' is in use{_by(folder)}.", "Wait for that to end or stop it, or choose another --output."
            ) from None
    try:
        with writing(folder):
            since = datetime.now(UTC).isoformat(timespec="seconds")
            replace_text(record, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        yield
    finally:
        with suppress(OSError):  # of a folder that has become read-only; what went wrong there is told already
            record.unlink(missing_ok=True)
        lock.release()


def holder(folder: Path) -> dict[str, Any] | None:
    """Who holds ``folder``, or held it when it was lost: pid, host and since when; None where nobody is on record."""
    try:
        data = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it is just being written
        return None
    return data if isinstance(data, dict) else None


def reclaim(folder: Path, lost: dict[str, Any] | None, patience: float = LEASE) -> None:
    """Wait until ``folder`` is free of a process that was lost with its machine.

    Some network file systems never free the lock of a machine that is gone: after ``patience`` seconds it is taken away, if its
    holder is still ``lost`` and no live process of this machine.

    Args:
        folder: exists.
        lost: what :func:`holder` said of it.
        patience: seconds.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK).acquire(timeout=patience, poll_interval=0.2):
            return
    except Timeout:
        if lost and holder(folder) == lost and not _alive(lost):
            (folder / LOCK).unlink(missing_ok=True)


def _alive(process: dict[str, Any]) -> bool:
    """Whether it is one of this machine that may be running."""
    if process.get("host") != socket.gethostname():
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, LookupError, TypeError, OverflowError):
        return True  # another user's, or none that can be asked
    return True


def _by(folder: Path) -> str:
    data = holder(folder)
    try:
        return (
            f" by process {data['pid']} on host '{data['host']}' since {data['since']}"
            if data
            else " by another process"
        )
    except LookupError:
        return " by another process"
