"""The identities of rewards and prompts: hashes of contents, which do not depend on paths, and commits of the hub."""

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
    """The settings of a reward, with the hash of a local file or folder in place of its path, and with the commit of a hub model.

    Raises:
        RewardError: neither the hub nor the cache has the model.
    """
    identity = {"kind": REWARDS.name_of(type(spec)), **by_contents(spec, fingerprint)}
    identity.pop("timeout", None)  # it does not change a score
    if identity.get("dtype") == "auto":
        del identity["dtype"]  # protocols from before this field mean auto
    if isinstance(spec, RewardModelSpec) and identity["model"] == spec.model:
        identity["commit"] = _commit(spec.model, spec.revision)
    return identity


def prompts_identity(source: PromptSource | Pairs) -> dict[str, Any]:
    """The settings of a source of prompts, with the hash of a local file or folder in place of its path."""
    reader = "pairs" if isinstance(source, Pairs) else DATASETS.name_of(type(source))
    identity = {"reader": reader, **by_contents(source, data_fingerprint)}
    if identity.get("columns", ()) is None:
        del identity["columns"]  # as in identities from before this field
    return identity


def fingerprint(path: str | Path) -> str:
    """The SHA-256 of a file, or of the names and contents of a folder's weights, settings and tokenizer."""
    path = Path(path).expanduser()
    return _content(path) if path.is_file() else _contents(path, (f for f in path.iterdir() if f.suffix in READ))


def data_fingerprint(path: str | Path) -> str:
    """The SHA-256 of a file, or of the names and contents of the tables at any depth of a folder."""
    path = Path(path).expanduser()
    return _content(path) if path.is_file() else _contents(path, (f for f in path.rglob("*") if f.suffix in DATA))


def by_contents(section: Section, fingerprint: Callable[[str], str]) -> dict[str, Any]:
    """The fields of ``section``; existing paths, in the fields of ``places``, are replaced by hashes; text after a colon is kept."""
    fields = section.model_dump(mode="json")
    for name in section.places:
        path, colon, rest = (fields[name] or "").partition(":")
        if path and Path(path).expanduser().exists():
            fields[name] = f"sha256:{fingerprint(path)}{colon}{rest}"
    return fields


@lru_cache(maxsize=64)
def _commit(model: str, revision: str | None) -> str:
    """The commit that a revision of a hub model resolves to, which is the name of its folder in the cache."""
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
    """The SHA-256 of a file, cached by its size and modification time."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
