"""Prompts as data for policy, rewards and records: messages, the data row's other columns, and an id. Templates render them as text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ID_COLUMNS = ("id", "prompt_id")  # the first that a data row has is its id


@dataclass(frozen=True)
class Message:
    """One turn; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Conversation:
    """A prompt as messages, with the other columns of its data row.

    Args:
        messages: the messages in order; the assistant's is next.
        columns: the row's other columns, by name.
        id: id of the prompt, which does not depend on the path of the data set or on how much of it is read.
        verbatim: the text in the data set, if its template would render the messages differently, such as with a space after
            ``Human:`` that the text lacks; otherwise None.
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
    """A conversation, and its text, which the policy continues."""

    conversation: Conversation
    text: str


def id_of(columns: Mapping[str, Any], text: str) -> str:
    """The row's own id where it has one, else the first 12 hexadecimal digits of the SHA-256 of its prompt's text.

    >>> id_of({"id": 7}, "Hi"), id_of({}, "Hi")
    ('7', '3639efcd08ab')
    """
    values = (columns.get(name) for name in ID_COLUMNS)
    own_id = next((str(value) for value in values if isinstance(value, str | int) and str(value).strip()), None)
    return own_id or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
