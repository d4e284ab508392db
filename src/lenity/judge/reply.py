"""Strict reading of an answer: a failure is asked again and then missing, never 0 and never guessed."""

from __future__ import annotations

_SCORES = {str(score): score for score in range(11)}


def parse(text: str) -> int | None:
    r"""The score, where ``text`` is one integer from 0 to 10 and white space; None of anything else.

    >>> parse(" 7\n"), parse("7/10"), parse("11"), parse("")
    (7, None, None, None)
    """
    return _SCORES.get(text.strip())
