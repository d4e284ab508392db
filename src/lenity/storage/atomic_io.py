"""Writes that a crash at any instant leaves whole or undone, also when the power goes: aside, synced, renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lenity.errors import CheckpointError

PARTIAL = ".partial"  # ends the names of what is being written


def replace_text(file: Path, text: str) -> None:
    """Write a file."""
    replace_bytes(file, text.encode("utf-8"))


def replace_bytes(file: Path, data: bytes) -> None:
    """Write a file."""
    with replacing(file) as partial:
        partial.write_bytes(data)


def append_text(file: Path, text: str) -> None:
    """Add to a file; cut short, the last line is not whole."""
    with file.open("ab") as opened:
        opened.write(text.encode("utf-8"))
        opened.flush()
        os.fsync(opened.fileno())


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Where to write what then becomes ``file``; an error inside leaves ``file`` as it was."""
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
    """An empty folder to fill, which then becomes ``folder``."""
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
    """Turns a full disk or a missing permission into an error that says where, and what is safe."""
    from safetensors import SafetensorError  # its files tell of a full disk in an error of its own

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
    """Remove what a crash left half written in ``folders``; nobody may be writing there."""
    for folder in folders:
        for partial in folder.glob(f".*{PARTIAL}"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def sync(path: Path) -> None:
    """Until what was written to a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
