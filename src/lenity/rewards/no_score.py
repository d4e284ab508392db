"""Missing scores, with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import Any, Self

from lenity.errors import ScoreCountError

LARGEST = 3.4e38  # about the largest number of float32, in which training computes


class NoScore(float):
    """NaN with the reason why a response has no score.

    >>> NoScore("an empty response"), NoScore("an empty response").why
    (nan, 'an empty response')
    """

    why: str

    def __new__(cls, why: str) -> Self:
        """NaN with the reason ``why``."""
        score = super().__new__(cls, math.nan)
        score.why = why
        return score


def as_score(value: Any) -> float:
    """``value`` as a float; :class:`NoScore` if it is not a finite number.

    >>> as_score(1), as_score(None).why, as_score("2").why
    (1.0, 'None', "'2'")
    """
    if isinstance(value, NoScore):
        return value
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)
    except Exception:  # users' objects may raise anything
        number = math.nan
    return number if abs(number) <= LARGEST else NoScore(repr(value)[:80])


def in_order(scores: Any, whose: str) -> Any:
    """``scores`` as they are, unless they are a set or a mapping, whose order is not that of the responses.

    Raises:
        ScoreCountError: they are; names ``whose`` they are.
    """
    if isinstance(scores, Set | Mapping):
        raise ScoreCountError(
            f"{whose} returned {type(scores).__name__}, whose order is not that of the responses.",
            "Return a list with one number per response, in their order.",
        )
    return scores
