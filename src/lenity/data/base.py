"""The base class of readers of prompts, and the report of the rows that a reader dropped."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.data.conversation import Conversation, id_of
from lenity.data.human_assistant import HUMAN_ASSISTANT, parse

DATASETS: Registry[PromptSource] = Registry(
    "reader",
    "lenity.datasets",
    ("lenity.data.hh_rlhf", "lenity.data.beavertails", "lenity.data.columns", "lenity.toy.prompts"),
    former="reader",
)


@dataclass
class ReadReport:
    """The numbers of rows that a reader read, kept, and dropped per reason."""

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
    """A reader: it reads the conversations of a data set, each of which ends with a user turn."""

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
    def read(self) -> tuple[Sequence[Conversation | str], ReadReport]:
        """All prompts of the split, before length windows and ``limit``, and the report of dropped rows.

        A prompt given as text is exactly what the policy reads: a conversation in the Human/Assistant form, or any other text.
        """

    def conversations(self) -> tuple[list[Conversation], ReadReport]:
        """The prompts of :meth:`read` as conversations with ids and with the same columns, None where a row lacks one; and the report."""
        prompts, report = self.read()
        conversations = [parse(prompt) if isinstance(prompt, str) else _with_id(prompt) for prompt in prompts]
        names = dict.fromkeys(name for conversation in conversations for name in conversation.columns)
        return [
            conversation
            if len(conversation.columns) == len(names)
            else replace(conversation, columns={name: conversation.columns.get(name) for name in names})
            for conversation in conversations
        ], report

    def texts(self) -> tuple[list[str], ReadReport]:
        """The prompts as texts in the Human/Assistant form, read without other columns; and the report."""
        conversations, report = self.without_columns().conversations()
        return [HUMAN_ASSISTANT.prompt(conversation) for conversation in conversations], report

    def without_columns(self) -> Self:
        """The reader of the same prompts alone, where that reads less."""
        return self


def _with_id(conversation: Conversation) -> Conversation:
    if conversation.id:
        return conversation
    return replace(conversation, id=id_of(conversation.columns, HUMAN_ASSISTANT.prompt(conversation)))
