"""What rewards and prompts are made of: hashes, the same wherever the files lie, and commits of the hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from lenity.config.base import Section
from lenity.config.stages import Pairs
from lenity.data.base import DATASETS, PromptSource
from lenity.errors import RewardError
from lenity.models.source import loading
from lenity.rewards.base import REWARDS, RewardSpec
from lenity.rewards.reward_model import RewardModelSpec

READ = {".safetensors", ".bin", ".json", ".jinja", ".model", ".txt", ".py"}
DATA = {".jsonl", ".json", ".csv", ".tsv", ".gz", ".parquet"}


def reward_identity(spec: RewardSpec) -> dict[str, Any]:
    """Settings of a reward: a local file or folder that one of ``places`` names replaced by its hash, a hub model with its commit.

    Raises:
        RewardError: the hub has no such model, and neither has the cache.
    """
    found = {"kind": REWARDS.name_of(type(spec)), **by_contents(spec, fingerprint)}
    found.pop("timeout", None)  # patience does not change a score
    if found.get("dtype") == "auto":
        del found["dtype"]  # what a protocol without the field means
    if isinstance(spec, RewardModelSpec) and found["model"] == spec.model:
        found["commit"] = _commit(spec.model, spec.revision)
    return found


def prompts_identity(source: PromptSource | Pairs) -> dict[str, Any]:
    """Settings of a source of prompts, its local file or folder replaced by a hash."""
    reader = "pairs" if isinstance(source, Pairs) else DATASETS.name_of(type(source))
    found = {"reader": reader, **by_contents(source, data_fingerprint)}
    if found.get("columns", ()) is None:
        del found["columns"]  # what is known of data sets without the field
    return found


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's weights, settings and tokenizer."""
    path = Path(path).expanduser()
    return _content(path) if path.is_file() else _contents(path, (f for f in path.iterdir() if f.suffix in READ))


def data_fingerprint(path: str | Path) -> str:
    """SHA-256 of a file, or of the names and contents of the tables at any depth of a folder."""
    path = Path(path).expanduser()
    return _content(path) if path.is_file() else _contents(path, (f for f in path.rglob("*") if f.suffix in DATA))


def by_contents(section: Section, fingerprint: Callable[[str], str]) -> dict[str, Any]:
    """Its fields, those of ``places`` that are there replaced by their hash; what follows a colon stays."""
    found = section.model_dump(mode="json")
    for name in section.places:
        path, colon, rest = (found[name] or "").partition(":")
        if path and Path(path).expanduser().exists():
            found[name] = f"sha256:{fingerprint(path)}{colon}{rest}"
    return found


@lru_cache(maxsize=64)
def _commit(model: str, revision: str | None) -> str:
    """The commit that a hub name stands for now, which is the name of its folder in the cache."""
    from transformers.utils import cached_file

    with loading("reward model", model, "train it with `lenity reward`", RewardError):
        file = cached_file(model, "config.json", revision=revision)
    return Path(file).parent.name


def _contents(folder: Path, files: Iterable[Path]) -> str:
    lines = (f"{file.relative_to(folder)}:{_content(file)}\n" for file in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _content(file: Path) -> str:
    stat = file.stat()
    return _hash(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(file: Path, size: int, changed: int) -> str:
    """Read again only where size or time changed."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
