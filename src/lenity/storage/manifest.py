"""``manifest.json``: size and hash of every file of a folder, so that a torn or altered one is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lenity.errors import CheckpointError

FILE = "manifest.json"
REMEDY = "Put a good copy back, or remove it."


def write(folder: Path) -> None:
    """Describe what is in ``folder``."""
    entries = {file.relative_to(folder).as_posix(): _entry(file) for file in _files(folder)}
    (folder / FILE).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> None:
    """Compare ``folder`` with its manifest.

    Raises:
        CheckpointError: a file is missing, added, cut short or changed, or the manifest itself is no such thing.
    """
    try:
        _compare(folder, _read(folder / FILE))
    except OSError as error:
        raise CheckpointError(f"'{folder}' cannot be read ({error}).", REMEDY) from error


def _compare(folder: Path, entries: dict[str, Any]) -> None:
    there = {file.relative_to(folder).as_posix(): file for file in _files(folder)}
    for name in sorted(entries.keys() | there.keys()):
        if name not in there:
            raise CheckpointError(f"'{folder}' has lost its file {name!r}.", REMEDY)
        if name not in entries:
            raise CheckpointError(f"'{folder}' has a file {name!r} that is not in its {FILE}.", REMEDY)
        if not _plain(there[name]) or _entry(there[name]) != entries[name]:
            raise CheckpointError(
                f"'{folder}' has a file {name!r} that was cut short or changed after it was written.", REMEDY
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"'{file}' cannot be read ({error}).", REMEDY) from error
    if not isinstance(entries, dict) or not entries:
        raise CheckpointError(f"'{file}' does not list files.", REMEDY)
    return entries


def _files(folder: Path) -> list[Path]:
    """All but plain directories and the manifest: a link or a pipe is no file of ours."""
    return sorted(
        path for path in folder.rglob("*") if path != folder / FILE and (path.is_symlink() or not path.is_dir())
    )


def _plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _entry(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}
