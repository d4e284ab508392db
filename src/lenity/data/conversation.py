"""What flows from a data row to policy, rewards and records: messages, the row's other columns, an id. No text is made of them here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ID_COLUMNS = ("id", "prompt_id")  # of a data row, the first that there is


@dataclass(frozen=True)
class Message:
    """One turn; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A prompt to answer: messages, and what the data row says beside them.

    Args:
        messages: in order; the assistant speaks next.
        columns: the row's other columns, by name.
        id: the same wherever and however much of the data set is read.
        verbatim: the text that the data set has, where the template it is written in would write the messages otherwise, such as
            without a space after ``Human:``.
    """

    messages: tuple[Message, ...]
    columns: Mapping[str, Any] = field(default_factory=dict, hash=False)
    id: str = ""
    verbatim: str | None = None

    def plain(self) -> list[dict[str, str]]:
        """The messages as ``{"role": ..., "content": ...}``, as chat templates and rewards read them."""
        return [{"role": message.role, "content": message.content} for message in self.messages]


@dataclass(frozen=True)
class Prompt:
    """A conversation, and the text of it that the policy continues."""

    conversation: Conversation
    text: str


def id_of(columns: Mapping[str, Any], text: str) -> str:
    """The row's own id where it has one, else the first 12 hexadecimal digits of the SHA-256 of its prompt's text.

    >>> id_of({"id": 7}, "Hi"), id_of({}, "Hi")
    ('7', '3639efcd08ab')
    """
    own = (columns.get(name) for name in ID_COLUMNS)
    known = next((str(value) for value in own if isinstance(value, str | int) and str(value).strip()), None)
    return known or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
