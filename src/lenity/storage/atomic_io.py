"""Atomic writes: a crash or power failure leaves the old file or the new one. Data is written to a temporary file, synced, renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lenity.errors import CheckpointError

if TYPE_CHECKING:
    import pandas as pd

PARTIAL = ".partial"  # suffix of unfinished files and folders


def replace_text(file: Path, text: str) -> None:
    """Write ``text`` to ``file`` atomically."""
    replace_bytes(file, text.encode("utf-8"))


def replace_bytes(file: Path, data: bytes) -> None:
    """Write ``data`` to ``file`` atomically."""
    with replacing(file) as partial:
        partial.write_bytes(data)


def replace_table(file: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` to the Parquet file ``file`` atomically; its folder is created where it is missing.

    Raises:
        CheckpointError: the file cannot be written.
    """
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            frame.to_parquet(partial, index=False)


def append_text(file: Path, text: str) -> None:
    """Append ``text`` to ``file``; a crash may leave its last line incomplete."""
    with file.open("ab") as opened:
        opened.write(text.encode("utf-8"))
        opened.flush()
        os.fsync(opened.fileno())


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A context with a temporary path that replaces ``file`` at its end; an error inside leaves ``file`` unchanged."""
    partial = file.with_name(f".{file.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        sync(partial)
        partial.replace(file)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(file.parent)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A context with an empty folder that replaces ``folder`` at its end."""
    partial = folder.with_name(f".{folder.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    yield partial
    for path in [*sorted(partial.rglob("*")), partial]:
        sync(path)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    sync(folder.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A context that turns errors of writing, such as a full disk, into CheckpointError with path and free space."""
    from safetensors import SafetensorError  # what safetensors raises for a full disk

    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, SafetensorError) and "os error" not in str(error):
            raise
        free = shutil.disk_usage(next(p for p in (path, *path.absolute().parents) if p.exists())).free / 2**20
        raise CheckpointError(
            f"cannot write to '{path}': {getattr(error, 'strerror', None) or error} ({free:,.0f} MiB free). What was saved before is whole.",
            "Make room or fix the permission, then run the same command with --resume.",
        ) from error


def clear(*folders: Path) -> None:
    """Remove unfinished files that a crash left in ``folders``; no process may be writing there."""
    for folder in folders:
        for partial in folder.glob(f".*{PARTIAL}"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
