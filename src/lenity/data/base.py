"""What a prompt source is, and the report each reader gives of the rows it dropped."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry

HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"

DATASETS: Registry[PromptSource] = Registry(
    "reader",
    "lenity.datasets",
    ("lenity.data.hh_rlhf", "lenity.data.beavertails", "lenity.data.columns", "lenity.toy.prompts"),
    former="reader",
)


@dataclass
class ReadReport:
    """How many rows a reader saw, kept, and dropped for which reason."""

    source: str
    read: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, rows: int = 1) -> None:
        """Count ``rows`` rows as dropped for ``reason``."""
        if rows:
            self.dropped[reason] = self.dropped.get(reason, 0) + rows

    def __str__(self) -> str:
        reasons = "; ".join(f"{n:,} {reason}" for reason, n in sorted(self.dropped.items(), key=lambda item: -item[1]))
        return f"{self.source}: {self.kept:,} of {self.read:,} rows kept" + (
            f" (dropped: {reasons})" if reasons else ""
        )


class PromptSource(Section):
    r"""The prompts of a data set. Each prompt starts with ``\n\nHuman:`` and ends with ``\n\nAssistant:``."""

    open_set: ClassVar[Registry[Any]] = DATASETS
    split: str = Field("train", description="split of the data set")
    min_tokens: int = Field(
        1, ge=1, description="shortest prompt that is kept, in tokens of the policy and of every reward model"
    )
    max_tokens: int = Field(
        512, ge=1, description="longest prompt that is kept, in tokens of the policy and of every reward model"
    )
    limit: int | None = Field(
        None, ge=1, description="most prompts that are used, evenly spaced over the data (deterministic); default: all"
    )

    @abc.abstractmethod
    def read(self) -> tuple[list[str], ReadReport]:
        """All prompts of the split, before length windows and ``limit``, and what was dropped on the way."""
