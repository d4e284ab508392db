"""Conversion of prompts in memory (a ``datasets.Dataset`` or a list) to the rows of a JSONL file that a reader reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lenity.data.conversation import Conversation, Message
from lenity.data.human_assistant import HUMAN_ASSISTANT, parse, wrap
from lenity.errors import DataError
from lenity.storage.atomic_io import replace_text

FORMS = (
    "a datasets.Dataset with a column 'prompt', a list of strings or conversations, a reader, or the name of a data set"
)
ROLES = ("user", "assistant")


@dataclass(frozen=True)
class Rows:
    """Prompts with the other columns of their rows, one line of JSON per row."""

    argument: str
    lines: tuple[str, ...]
    columns: tuple[str, ...]

    @cached_property
    def name(self) -> str:
        """The name of the file."""
        digest = hashlib.sha256("\n".join(self.lines).encode()).hexdigest()[:12]
        return f"{self.argument}-{digest}.jsonl"

    def write(self, place: Path) -> None:
        """Write the lines to the file ``place``."""
        replace_text(place, "".join(f"{line}\n" for line in self.lines))


def rows_of(argument: str, data: Any) -> Rows:
    """The rows of ``data``, a ``datasets.Dataset`` or a list of strings or conversations.

    Raises:
        DataError: ``data`` is neither, is empty, or has a row without a prompt; the message names the argument and the row.
    """
    if hasattr(data, "column_names") and isinstance(data, Mapping):  # a DatasetDict
        raise DataError(
            f"{argument} has the splits {list(data)}.", f"Give one of them: {argument}=data[{next(iter(data), '')!r}]."
        )
    if hasattr(data, "iloc"):
        raise DataError(
            f"{argument} is a {type(data).__name__} of pandas.", f"Give {argument}=datasets.Dataset.from_pandas(...)."
        )
    if isinstance(data, Mapping) or not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
        raise DataError(f"{argument} is {type(data).__name__}.", f"Give {FORMS}.")
    names = getattr(data, "column_names", None)
    if names is not None and "prompt" not in names:
        raise DataError(
            f"{argument} has no column 'prompt'; its columns are {list(names)}.",
            f"Rename one: {argument}=dataset.rename_column({(names or ['text'])[0]!r}, 'prompt').",
        )
    if not len(data):
        raise DataError(f"{argument} is empty.", "Give at least one prompt.")
    rows = [_row(f"{argument}[{i}]", row) for i, row in enumerate(data)]
    columns = dict.fromkeys(name for row in rows for name in row)
    return Rows(argument, tuple(json.dumps(row, default=_plain) for row in rows), tuple(columns))


def _row(where: str, row: Any) -> dict[str, Any]:
    row = row if isinstance(row, Mapping) else {"prompt": row}
    if "prompt" not in row:
        raise DataError(f"{where} has no 'prompt'; it has {list(row)}.", "Name the prompt's key 'prompt'.")
    columns = {str(name): value for name, value in row.items()} | {"prompt": prompt_text(where, row["prompt"])}
    try:
        json.dumps(columns, default=_plain)
    except (TypeError, ValueError) as error:
        raise DataError(f"{where} cannot be saved as JSON: {error}.", "Leave that column out.") from error
    return columns


def prompt_text(where: str, prompt: Any) -> str:
    r"""The text of ``prompt``: a string unchanged, messages in the Human/Assistant template.

    >>> prompt_text("p", [{"role": "user", "content": "Hi"}])
    '\n\nHuman: Hi\n\nAssistant:'
    """
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, Sequence) or not prompt or not all(_is_message(message) for message in prompt):
        raise DataError(
            f"{where} is {str(prompt)[:80]!r}, which is not a prompt.",
            "Give a string, or a conversation: [{'role': 'user', 'content': ...}, ...].",
        )
    if prompt[-1]["role"] != "user":
        raise DataError(
            f"the last message of {where} has role {prompt[-1]['role']!r}.",
            "End the conversation with a message of the user, which the policy answers.",
        )
    turns = [(message["role"], message["content"]) for message in prompt]
    if turns[0][0] == "system" and len(turns) > 1:  # the template has no system turn, so the first turn begins with it
        turns = [(turns[1][0], f"{turns[0][1]}\n\n{turns[1][1]}"), *turns[2:]]
    if strange := [role for role, _ in turns if role not in ROLES]:
        raise DataError(
            f"{where} has a message of role {strange[0]!r}.", f"Use {', '.join(ROLES)}, and system for the first."
        )
    written = HUMAN_ASSISTANT.prompt(Conversation(tuple(Message(role, text) for role, text in turns)))
    read = [(message.role, message.content) for message in parse(wrap(written)).messages]
    if read != turns:
        raise DataError(
            f"{where} has the roles {[role for role, _ in turns]}, and its Human/Assistant form would be read as {[role for role, _ in read]}.",
            r"Begin with the user's message, and leave '\n\nHuman:' and '\n\nAssistant:' out of the contents.",
        )
    return written


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, Mapping)
        and isinstance(message.get("content"), str)
        and isinstance(message.get("role"), str)
    )


def _plain(value: Any) -> Any:
    """A number or array of NumPy or torch as plain Python numbers, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a column holds {type(value).__name__}")
