r"""The text form of hh-rlhf, ``\n\nHuman: ... \n\nAssistant: ...``: writing it, reading it, and mending what nearly has it."""

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
ASKED = re.compile(rf"{BLANK}*[\r\n]{BLANK}*Assistant:\Z")  # an assistant's turn that is to begin


@TEMPLATES.register("human_assistant")
class HumanAssistant(Template):
    """Turns that begin with Human: and Assistant:, as Anthropic/hh-rlhf has them; a system message stands before them."""

    def prompt(self, conversation: Conversation) -> str:
        r"""The turns, and the beginning of the assistant's next; of what :func:`parse` read, the same bytes.

        >>> HumanAssistant().prompt(Conversation((Message("user", "Hi"),)))
        '\n\nHuman: Hi\n\nAssistant:'

        Raises:
            DataError: the form has no turns of a role.
        """
        if conversation.verbatim is not None:
            return conversation.verbatim
        return "".join(map(_turn, conversation.messages)) + ASSISTANT


HUMAN_ASSISTANT = HumanAssistant()


def parse(text: str, columns: Mapping[str, Any] | None = None, row: Mapping[str, Any] | None = None) -> Conversation:
    r"""The conversation that a prompt's text holds; of text without the form, one message of the user's.

    Args:
        text: of the prompt.
        columns: that go with it.
        row: that may name the prompt's id; default: ``columns``.

    >>> parse("\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:").plain()[1:]
    [{'role': 'assistant', 'content': 'Hello'}, {'role': 'user', 'content': 'Why?'}]
    """
    before, *turns = TURN.split(text)
    messages = [Message(ROLES[tag], said.removeprefix(" ")) for tag, said in zip(turns[::2], turns[1::2], strict=True)]
    if before:
        messages.insert(0, Message("system" if turns else "user", before))
    if text.endswith(ASSISTANT):
        messages.pop()  # the turn that is asked for
    columns = columns or {}
    found = Conversation(tuple(messages), columns, id_of(row or columns, text))
    return found if HUMAN_ASSISTANT.prompt(found) == text else replace(found, verbatim=text)


def as_prompt(value: Prompt | str) -> Prompt:
    """``value``, or the prompt that a policy reads as just this text."""
    return value if isinstance(value, Prompt) else Prompt(parse(value), value)


def question(text: str) -> str:
    r"""The prompt that asks ``text``.

    >>> question("Hi")
    '\n\nHuman: Hi\n\nAssistant:'
    """
    return f"{HUMAN} {text}{ASSISTANT}"


def extended(prompt: str, words: str) -> str:
    r"""``prompt`` with ``words`` before the assistant's turn.

    >>> extended("\n\nHuman: Hi\n\nAssistant:", " there")
    '\n\nHuman: Hi there\n\nAssistant:'

    Raises:
        DataError: it does not end where the assistant's turn begins.
    """
    if not prompt.endswith(ASSISTANT):
        raise DataError(
            f"a prompt ends with {prompt[-20:]!r} and cannot carry scores.", f"Let every prompt end with {ASSISTANT!r}."
        )
    return prompt.removesuffix(ASSISTANT) + words + ASSISTANT


def dialogue(text: str) -> str:
    r"""``text`` as it is; a dialogue that lacks the form but for outer white space and line ends, in the form.

    >>> dialogue("Human: Hi\r\n\r\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant: Hello'
    """
    if text.startswith(HUMAN) and ASSISTANT in text:
        return text
    mended, begins = BEGIN.subn("\n\n", re.sub(r"\r\n?", "\n", text))
    return mended if begins and ASSISTANT in mended else text


def has_answer(text: str) -> bool:
    """Whether a dialogue has an assistant turn."""
    return ASSISTANT in text


def prompt_end(text: str) -> int:
    r"""How many characters of a dialogue are its prompt: up to and including the last ``\n\nAssistant:``; 0 where it is none.

    >>> prompt_end("\n\nHuman: Hi\n\nAssistant: Hello"), prompt_end("Hello")
    (23, 0)
    """
    return text.rfind(ASSISTANT) + len(ASSISTANT) if text.startswith(HUMAN) and ASSISTANT in text else 0


def prompt_of(transcript: str) -> str | None:
    r"""Everything up to and including the last ``\n\nAssistant:``; None where that is not a dialogue.

    >>> prompt_of("\n\nHuman: Hi\n\nAssistant: Hello")
    '\n\nHuman: Hi\n\nAssistant:'
    """
    transcript = dialogue(transcript)
    return transcript[: prompt_end(transcript)] or None


def wrap(text: str) -> str:
    r"""Bare text as a one-turn prompt; text that has the form, or one end of it, keeps that, whatever white space is around it.

    What an assistant said last is cut off, as :func:`prompt_of` does.

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
    r"""(text, is an assistant turn), cut exactly where a policy is prompted; text after the last turn is left out.

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
