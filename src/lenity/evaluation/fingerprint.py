"""Hashes of what a reward is made of, the same wherever its files lie."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from lenity.rewards.base import REWARDS, RewardSpec

READ = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py"}


def reward_identity(spec: RewardSpec) -> dict[str, Any]:
    """Settings of a reward, each local file or folder among them replaced by its hash."""
    found: dict[str, Any] = {"kind": REWARDS.name_of(type(spec))}
    for name, value in spec.model_dump(mode="json").items():
        path, colon, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
        found[name] = f"sha256:{fingerprint(path)}{colon}{rest}" if path and Path(path).exists() else value
    return found


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's weights, settings and tokenizer."""
    path = Path(path)
    if path.is_file():
        return _content(path)
    files = sorted(file for file in path.iterdir() if file.suffix in READ)
    return hashlib.sha256("".join(f"{file.name}:{_content(file)}\n" for file in files).encode()).hexdigest()


def _content(file: Path) -> str:
    stat = file.stat()
    return _hash(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(file: Path, size: int, changed: int) -> str:
    """Read again only where size or time changed."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
