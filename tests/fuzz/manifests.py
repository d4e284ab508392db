"""A folder with a manifest, changed at random: whatever changed is noticed, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fuzz.configs import MEMORY
from fuzz.hostile import NAMES, edited, edits, replaced, values
from lenity.errors import CheckpointError
from lenity.storage.manifest import FILE, check, write

CONTENTS = {"model.safetensors": bytes(range(64)), "optimizer.pt": b"\0" * 32, "state.json": b'{"iteration": 3}\n', "adapter/config.json": b"{}"}  # fmt: skip
_place = Path(tempfile.mkdtemp(prefix="lenity-fuzz-", dir=MEMORY))
_folder, _elsewhere = _place / "folder", _place / "elsewhere"

Change = Callable[[Path, int, bytes], object]


def _flip(file: Path, at: int, junk: bytes) -> None:
    data = bytearray(file.read_bytes() or b"\0")
    data[at % len(data)] ^= 1 << at % 8
    file.write_bytes(data)


def _overwrite(file: Path, at: int, junk: bytes) -> None:
    data = file.read_bytes()
    at %= len(data) + 1
    file.write_bytes(data[:at] + junk + data[at + len(junk) :])


def _truncate(file: Path, at: int, junk: bytes) -> None:
    os.truncate(file, at % (file.stat().st_size + 1))


def _add(file: Path, at: int, junk: bytes) -> None:
    file.with_name(f"{at}.bin").write_bytes(junk)


def _move(file: Path, at: int, junk: bytes) -> None:
    file.replace(_folder / f"{at}")


def _swap(file: Path, at: int, junk: bytes) -> None:
    file.write_bytes([*CONTENTS.values()][at % len(CONTENTS)])


def _directory(file: Path, at: int, junk: bytes) -> None:
    file.unlink()
    file.mkdir()


def _link(file: Path, at: int, junk: bytes) -> None:
    """To the same contents outside, to nothing, or to itself."""
    file.replace(_elsewhere)
    file.symlink_to([_elsewhere, _place / "nowhere", file][at % 3])


def _linked_folder(file: Path, at: int, junk: bytes) -> None:
    file.with_name(f"{at} {len(junk)}").symlink_to(_place if at % 2 else _place / "nowhere", target_is_directory=True)


def _pipe(file: Path, at: int, junk: bytes) -> None:
    file.unlink()
    os.mkfifo(file)


def _remove(file: Path, at: int, junk: bytes) -> None:
    file.unlink()


CHANGES: list[Change] = [
    _flip,
    _overwrite,
    _truncate,
    _add,
    _move,
    _swap,
    _directory,
    _link,
    _linked_folder,
    _pipe,
    _remove,
]
changes = st.tuples(
    st.sampled_from(CHANGES), st.sampled_from([*CONTENTS]), st.integers(0, 2**16), st.binary(max_size=3)
)
entries = st.tuples(
    st.lists(st.integers(0, 9), max_size=2), values, st.none() | st.sampled_from([*NAMES, *CONTENTS, FILE])
)
MANIFESTS = st.tuples(
    st.lists(changes, max_size=2, unique_by=lambda change: change[2]),
    st.lists(edits, max_size=2) | st.lists(entries, max_size=2),
    st.binary(max_size=2),
)


def check_manifest(given: Any) -> None:
    """A folder passes where it holds what its manifest says and no more; any other raises ``CheckpointError``."""
    changed, manifest, junk = given
    _fresh()
    for change, name, at, data in changed:
        if (_folder / name).is_file() and not (_folder / name).is_symlink():
            change(_folder / name, at, data)
    _edit(_folder / FILE, manifest, junk)
    whole = _is_whole()
    try:
        check(_folder)
    except CheckpointError:
        assert not whole, "a whole folder was refused"
        raise
    assert whole, "a change went unnoticed"


def _fresh() -> None:
    shutil.rmtree(_folder, ignore_errors=True)
    (_folder / "adapter").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (_folder / name).write_bytes(content)
    write(_folder)


def _edit(file: Path, manifest: list[Any], junk: bytes) -> None:
    text = file.read_text(encoding="utf-8")
    if manifest and callable(manifest[0][0]):
        file.write_bytes(edited(text, manifest).encode(errors="surrogatepass") + junk)
    elif manifest:
        data = json.loads(text)
        for path, value, rename in manifest:
            data = replaced(data, path, value, rename)
        try:
            file.write_text(json.dumps(data, default=str), encoding="utf-8")
        except (TypeError, ValueError):  # what JSON cannot hold
            file.write_bytes(junk)


def _is_whole() -> bool:
    """Whether the manifest says what is in the folder, by the plainest means; a link or a pipe is never right."""
    found: dict[str, Any] = {}
    for place, folders, names in os.walk(_folder):
        for path in (Path(place, name) for name in [*names, *folders]):
            if path.is_symlink() or path.is_fifo():
                return False
            if path.is_file() and path != _folder / FILE:
                data = path.read_bytes()
                found[str(path.relative_to(_folder))] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        return bool(found) and json.loads((_folder / FILE).read_bytes().decode()) == found
    except (ValueError, RecursionError):
        return False
