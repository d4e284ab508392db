"""The training prompts of runs, which are left out of their evaluation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lenity.config.base import dump_member, parse_member
from lenity.config.stages import Pairs
from lenity.data.base import DATASETS, PromptSource
from lenity.data.preferences import load_pairs
from lenity.data.seen import check_split, seen
from lenity.errors import DataError
from lenity.runs.config import RunConfig
from lenity.runs.fingerprint import prompts_identity
from lenity.runs.method import Method
from lenity.storage.atomic_io import replace_text, writing

FILE, PAIRS = "trained_on.json", "pairs"


@dataclass(frozen=True)
class Trained:
    """The sources of one or several runs' training prompts, before length limits and ``limit``."""

    sources: tuple[PromptSource | Pairs, ...]

    @classmethod
    def of(cls, configs: Iterable[RunConfig], folder: Path | None = None) -> Trained:
        """The sources of all ``configs``, of the runs that they are built from, and of the sweep in ``folder``.

        Raises:
            ConfigError: held-out and training prompts are the same file under two split names.
        """
        configs = list(configs)
        for config in configs:
            _check_splits(config.held_out_prompts, config.prompts, config.method)
        file = folder / FILE if folder else None
        shared = json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else []
        return cls.parse(
            [*shared, *(_dump(source) for config in configs for source in _sources(config.prompts, config.method))]
        )

    @classmethod
    def parse(cls, entries: Sequence[dict[str, Any]]) -> Trained:
        """The inverse of :meth:`dump`; repeated entries count once."""
        distinct = {json.dumps(entry, sort_keys=True): entry for entry in entries}
        return cls(tuple(_parse(distinct[key]) for key in sorted(distinct)))

    def dump(self) -> list[dict[str, Any]]:
        """The sources as plain data."""
        return [_dump(source) for source in self.sources]

    def share(self, folder: Path) -> None:
        """Add these sources to those that evaluations of the sweep in ``folder`` leave out."""
        union = self.parse([*self.of([], folder).dump(), *self.dump()])
        with writing(folder):
            replace_text(folder / FILE, json.dumps(union.dump(), indent=2, ensure_ascii=False) + "\n")

    @cached_property
    def identity(self) -> str:
        """A hash of the sources' settings and of the content of local files."""
        sources = [prompts_identity(source) for source in self.sources]
        return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()[:16]

    def among(self, prompts: Sequence[str]) -> tuple[set[str], list[str]]:
        """The normalised form (:func:`lenity.data.seen.same`) of those ``prompts`` that are training prompts, and why sources cannot be read."""
        known: set[str] = set()
        unread = []
        for source in self.sources:
            try:
                known |= seen(prompts, _prompts(source))
            except DataError as error:
                unread.append(error.what)
        return known, unread


def _sources(prompts: PromptSource, method: Method) -> Iterator[PromptSource | Pairs]:
    from lenity.runs.folder import RunFolder

    yield prompts
    yield from method.examples
    for folder in method.sources:
        if (Path(folder) / "config.yaml").is_file():
            config = RunFolder(folder).config
            yield from _sources(config.prompts, config.method)


def _check_splits(held_out: PromptSource | None, prompts: PromptSource, method: Method) -> None:
    check_split(held_out, prompts, ("held_out_prompts", "prompts"))
    for pairs in method.examples:
        check_split(held_out, pairs, ("held_out_prompts", "the method's pairs"))


def _prompts(source: PromptSource | Pairs) -> list[str]:
    return [pair.prompt for pair in load_pairs(source)[0]] if isinstance(source, Pairs) else source.texts()[0]


def _dump(source: PromptSource | Pairs) -> dict[str, Any]:
    return {PAIRS: source.model_dump(mode="json")} if isinstance(source, Pairs) else dump_member(source, DATASETS)


def _parse(entry: dict[str, Any]) -> Any:
    return Pairs.model_validate(entry[PAIRS]) if PAIRS in entry else parse_member(entry, DATASETS)
