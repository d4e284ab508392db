"""``manifest.json``: size and hash of every file of a folder, by which incomplete or changed files are detected."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from lenity.errors import CheckpointError

FILE = "manifest.json"
REMEDY = "Restore an intact copy, or remove it."


def write(folder: Path) -> None:
    """Write the manifest of ``folder``."""
    entries = {file.relative_to(folder).as_posix(): _entry(file) for file in _files(folder)}
    (folder / FILE).write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


def check(folder: Path) -> None:
    """Raise where ``folder`` differs from its manifest.

    Raises:
        CheckpointError: a file is missing, added, truncated or changed, or the manifest is not valid.
    """
    try:
        _compare(folder, _read(folder / FILE))
    except OSError as error:
        raise CheckpointError(f"'{folder}' cannot be read ({error}).", REMEDY) from error


def _compare(folder: Path, entries: dict[str, Any]) -> None:
    present = {file.relative_to(folder).as_posix(): file for file in _files(folder)}
    for name in sorted(entries.keys() | present.keys()):
        if name not in present:
            raise CheckpointError(f"'{folder}' lacks the file {name!r} of its {FILE}.", REMEDY)
        if name not in entries:
            raise CheckpointError(f"'{folder}' has a file {name!r} that is not in its {FILE}.", REMEDY)
        if not _plain(present[name]) or _entry(present[name]) != entries[name]:
            raise CheckpointError(
                f"'{folder}' has a file {name!r} that was truncated or changed after it was written.", REMEDY
            )


def _read(file: Path) -> dict[str, Any]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"'{file}' cannot be read ({error}).", REMEDY) from error
    if not isinstance(entries, dict) or not entries:
        raise CheckpointError(f"'{file}' lists no files.", REMEDY)
    return entries


def _files(folder: Path) -> list[Path]:
    """All entries but plain directories and the manifest; links and pipes are included, so that :func:`check` refuses them."""
    return sorted(
        path for path in folder.rglob("*") if path != folder / FILE and (path.is_symlink() or not path.is_dir())
    )


def _plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


def _entry(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}
