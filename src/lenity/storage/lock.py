"""A lock that lets one process at a time work in a folder. The operating system releases it when its process ends, however it ends."""

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
LEASE = 100.0  # seconds; NFS keeps the locks of a lost client for 90, and a node that Ray has given up ends within 60


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A context that holds the lock of ``folder``, which is created where it is missing.

    Raises:
        FolderInUseError: another process holds the lock; its id, host and start time are named.
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
                f"'{folder}' is in use{_by(folder)}.",
                "Wait for that process to end or stop it, or choose another --output.",
            ) from None
    try:
        with writing(folder):
            since = datetime.now(UTC).isoformat(timespec="seconds")
            replace_text(record, json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}) + "\n")
        yield
    finally:
        with suppress(OSError):  # of a folder that has become read-only; that error was raised before
            record.unlink(missing_ok=True)
        lock.release()


def holder(folder: Path) -> dict[str, Any] | None:
    """The process that holds ``folder``, or held it until it was lost: pid, host and start time; None without a record."""
    try:
        data = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no record, or it is being written
        return None
    return data if isinstance(data, dict) else None


def reclaim(folder: Path, lost: dict[str, Any] | None, patience: float = LEASE) -> None:
    """Wait until the lock of a process lost with its machine is released.

    Some network file systems never release the lock of a lost machine: after ``patience`` seconds it is removed, if the holder is
    still ``lost`` and is not a live process of this machine.

    Args:
        folder: an existing folder.
        lost: what :func:`holder` returned for the lost process.
        patience: seconds to wait.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK).acquire(timeout=patience, poll_interval=0.2):
            return
    except Timeout:
        if lost and holder(folder) == lost and not _alive(lost):
            (folder / LOCK).unlink(missing_ok=True)


def _alive(process: dict[str, Any]) -> bool:
    """Whether ``process`` may be running on this machine."""
    if process.get("host") != socket.gethostname():
        return False
    try:
        os.kill(process["pid"], 0)
    except ProcessLookupError:
        return False
    except (OSError, LookupError, TypeError, OverflowError):
        return True  # of another user, or not a valid record
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
