"""Strict reading of an answer: a failure is asked again and then missing, never 0 and never guessed."""

from __future__ import annotations

import re

TRUNCATED = "truncated: "  # before the text of an answer that the limit of tokens cut
_SCORES = {str(score): score for score in range(11)}
_NAMES = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|seed:think)"
_OPENING = re.compile(
    rf"<{_NAMES}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>|<unused94>|<\|channel\|>(?!final)"
    r"|<\|channel>|\A(?-i:analysis)(?=\w)|\AHere(?: is|'s) my thought process:",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</{_NAMES}>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>|<unused95>|<\|channel\|>final|assistantfinal"
    r"|<channel\|>|\bHere(?: is|'s) my response:",
    re.IGNORECASE,
)
_BLOCKS = re.compile(r"\A(?:\s*<(\w[\w:.-]*)(?:\s[^<>]*)?>.*?</\1>)+", re.DOTALL)  # closed thinking of any other name
_FRAME = re.compile(
    r"</?(?:answer|response)>|<\|(?:message|end|return|im_end|eot_id|endoftext|(?:START|END)_RESPONSE|(?:begin|end)_of_(?:solution|box))\|>"
)


def parse(text: str) -> int | None:
    r"""The score, where ``text`` is one integer from 0 to 10 and white space, after closed thinking if any; None of anything else.

    Thinking is what reasoning models write between tags before they answer: ``<think>``, ``<thinking>``, Magistral's ``[THINK]``,
    the channels of gpt-oss, and closed tags of any name. DeepSeek's template opens the tag in the prompt, so that the closing one
    comes alone.

    >>> parse(" 7\n"), parse("7/10"), parse("11"), parse("")
    (7, None, None, None)
    >>> parse("<think>Surely 9.</think>\n7"), parse("Surely 9.</think>7"), parse("<think>Surely 9.")
    (7, 7, None)
    """
    return _SCORES.get(_BLOCKS.sub("", _FRAME.sub("", _after_thinking(text))).strip())


def truncated(text: str) -> bool:
    """Whether the limit of tokens cut ``text``, or its thinking has no end.

    >>> truncated("<think>Surely 9."), truncated("<think>Surely 9.</think>"), truncated("7")
    (True, False, False)
    """
    return text.startswith(TRUNCATED) or bool(_OPENING.search(_after_thinking(text)))


def _after_thinking(text: str) -> str:
    ends = [match.end() for match in _CLOSING.finditer(text)]
    return text[ends[-1] :] if ends else text
