r"""The text form of hh-rlhf, ``\n\nHuman: ... \n\nAssistant: ...``: rendering, parsing, and repairing nearly correct texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lenity.data.conversation import Conversation, Message, Prompt, id_of
from lenity.data.lines import BLANK, bare
from lenity.data.templates import TEMPLATES, Template
from lenity.errors import DataError

HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"
TAGS = {"system": "", "user": HUMAN, "assistant": ASSISTANT}
ROLES = {tag: role for role, tag in TAGS.items()}
TURN = re.compile(f"({HUMAN}|{ASSISTANT})")
BEGIN = re.compile(rf"\A{BLANK}*(?=Human:)")
ASKED = re.compile(rf"{BLANK}*[\r\n]{BLANK}*Assistant:\Z")  # an assistant's turn without text


@TEMPLATES.register("human_assistant")
class HumanAssistant(Template):
    """Turns that begin with Human: and Assistant:, as in Anthropic/hh-rlhf; a system message comes before them."""

    def prompt(self, conversation: Conversation) -> str:
        r"""The text of the turns and the beginning of the assistant's next turn; the original text if :func:`parse` read it.

        >>> HumanAssistant().prompt(Conversation((Message("user", "Hi"),)))
        '\n\nHuman: Hi\n\nAssistant:'

        Raises:
            DataError: a message has a role for which the form has no turns.
        """
        if conversation.verbatim is not None:
            return conversation.verbatim
        return "".join(map(_turn, conversation.messages)) + ASSISTANT


HUMAN_ASSISTANT = HumanAssistant()


def parse(text: str, columns: Mapping[str, Any] | None = None, row: Mapping[str, Any] | None = None) -> Conversation:
    r"""The conversation in a prompt's text; text without the form is one message of the user.

    Args:
        text: the prompt's text.
        columns: columns of the data row.
        row: data row that may have an id of the prompt; default: ``columns``.

    >>> parse("\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:").plain()[1:]
    [{'role': 'assistant', 'content': 'Hello'}, {'role': 'user', 'content': 'Why?'}]
    """
    before, *turns = TURN.split(text)
    messages = [Message(ROLES[tag], part.removeprefix(" ")) for tag, part in zip(turns[::2], turns[1::2], strict=True)]
    if before:
        messages.insert(0, Message("system" if turns else "user", before))
    if text.endswith(ASSISTANT):
        messages.pop()  # the policy's turn, which is empty
    columns = columns or {}
    conversation = Conversation(tuple(messages), columns, id_of(row or columns, text))
    return conversation if HUMAN_ASSISTANT.prompt(conversation) == text else replace(conversation, verbatim=text)


def as_prompt(value: Prompt | str) -> Prompt:
    """``value``, or the prompt with exactly this text."""
    return value if isinstance(value, Prompt) else Prompt(parse(value), value)


def question(text: str) -> str:
    r"""The prompt with ``text`` as the user's only message.

    >>> question("Hi")
    '\n\nHuman: Hi\n\nAssistant:'
    """
    return f"{HUMAN} {text}{ASSISTANT}"


def extended(prompt: str, words: str) -> str:
    r"""``prompt`` with ``words`` before the assistant's turn.

    >>> extended("\n\nHuman: Hi\n\nAssistant:", " there")
    '\n\nHuman: Hi there\n\nAssistant:'

    Raises:
        DataError: the prompt does not end with the beginning of the assistant's turn.
    """
    if not prompt.endswith(ASSISTANT):
        raise DataError(
            f"a prompt ends with {prompt[-20:]!r}, so scores cannot be inserted.",
            f"Let every prompt end with {ASSISTANT!r}.",
        )
    return prompt.removesuffix(ASSISTANT) + words + ASSISTANT


def dialogue(text: str) -> str:
    r"""``text`` in the Human/Assistant form, if it differs from it only in outer white space and line ends; otherwise unchanged.

    >>> dialogue("Human: Hi\r\n\r\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant: Hello'
    """
    if text.startswith(HUMAN) and ASSISTANT in text:
        return text
    repaired, begins = BEGIN.subn("\n\n", re.sub(r"\r\n?", "\n", text))
    return repaired if begins and ASSISTANT in repaired else text


def has_answer(text: str) -> bool:
    """Whether a dialogue has an assistant turn."""
    return ASSISTANT in text


def prompt_end(text: str) -> int:
    r"""The number of characters of a dialogue's prompt, up to and including the last ``\n\nAssistant:``; 0 if it is not a dialogue.

    >>> prompt_end("\n\nHuman: Hi\n\nAssistant: Hello"), prompt_end("Hello")
    (23, 0)
    """
    return text.rfind(ASSISTANT) + len(ASSISTANT) if text.startswith(HUMAN) and ASSISTANT in text else 0


def prompt_of(transcript: str) -> str | None:
    r"""The prompt of a transcript, up to and including the last ``\n\nAssistant:``; None if it is not a dialogue.

    >>> prompt_of("\n\nHuman: Hi\n\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant:'
    """
    transcript = dialogue(transcript)
    return transcript[: prompt_end(transcript)] or None


def wrap(text: str) -> str:
    r"""``text`` as a one-turn prompt; text with the form, or with its beginning or end, keeps that, whatever white space surrounds it.

    The last assistant turn is removed, as by :func:`prompt_of`.

    >>> wrap("Hi"), wrap("\nHuman: Hi\n\nAssistant: ")
    ('\n\nHuman: Hi\n\nAssistant:', '\n\nHuman: Hi\n\nAssistant:')
    """
    text = dialogue(text)
    if text.startswith(HUMAN) and text.endswith(ASSISTANT):
        return text
    prompt = prompt_of(text)
    if prompt is not None and HUMAN not in text[len(prompt) :]:
        text = prompt
    asked = ASKED.sub("", bare(text))
    return f"\n\n{asked}{ASSISTANT}" if asked.startswith(HUMAN.strip()) else question(asked)


def segments(transcript: str) -> list[tuple[str, bool]]:
    r"""The parts of a transcript, (text, whether it is an assistant turn), cut where a policy is prompted, without text after the last turn.

    >>> segments("\n\nHuman: Hi\n\nAssistant: Hello")
    [('\n\nHuman: Hi\n\nAssistant:', False), (' Hello', True)]
    """
    out: list[tuple[str, bool]] = []
    context, speaks = "", False
    for piece in TURN.split(transcript):
        if speaks and piece.strip():
            out += [(context, False), (piece, True)]
            context = ""
        else:
            context += piece
        speaks = piece == ASSISTANT
    return out


def _turn(message: Message) -> str:
    if message.role not in TAGS:
        raise DataError(
            f"a message has role '{message.role}'; the human_assistant template writes {', '.join(TAGS)}.",
            "Choose a template that has such turns.",
        )
    space = " " if message.content and message.role != "system" else ""
    return TAGS[message.role] + space + message.content
