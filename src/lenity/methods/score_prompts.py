"""Prompts that contain scores, and the scores to request (Rewards-in-Context, arXiv 2402.10207, section 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from lenity.data.human_assistant import ASSISTANT, extended
from lenity.data.tokens import prompt_ids
from lenity.errors import ModelError

Map = Literal["l2", "linf", "linear"]


def condition(prompt: str, scores: Sequence[float]) -> str:
    r"""The prompt with one score per objective before the assistant's turn, each with one decimal.

    >>> condition("\n\nHuman: Hi\n\nAssistant:", [0.52, -1])
    '\n\nHuman: Hi <rm1_score> 0.5 <rm2_score> -1.0\n\nAssistant:'
    """
    return extended(prompt, _spelled(scores))


def desired(weights: Sequence[float], ranges: Sequence[tuple[float, float]], how: Map = "l2") -> list[float]:
    """The score to request of each objective at these preference weights.

    With [lo, hi] the range of an objective's score and t a fraction of it, score = lo + t (hi - lo):

    - ``l2``: t_k = w_k / ||w||_2;
    - ``linf``: t_k = 1 for the largest weight, min(K w_k, 1) for the others;
    - ``linear``: t_k = w_k.

    >>> desired([0.5, 0.5], [(0.0, 1.0), (-2.0, 2.0)], "linear")
    [0.5, 0.0]
    """
    length, largest = math.hypot(*weights), max(weights)
    share = {
        "l2": [w / length for w in weights],
        "linf": [1.0 if w == largest else min(len(weights) * w, 1.0) for w in weights],
        "linear": list(weights),
    }[how]
    return [low + t * (high - low) for t, (low, high) in zip(share, ranges, strict=True)]


def check_spelling(tokenizer: Any, objectives: int) -> None:
    """Raise ``ModelError`` if the tokenizer has no tokens for scores; the tokenizer itself is not changed."""
    text = _spelled([-12345678.9] + [0.0] * (objectives - 1))
    if (
        tokenizer.unk_token_id is not None
        and tokenizer.unk_token_id in prompt_ids(tokenizer, [extended(ASSISTANT, text)])[0]
    ):
        raise ModelError(
            f"the policy's tokenizer has no tokens for {text!r}, so scores in the prompt would not be read.",
            "Use a model whose tokenizer can spell any text.",
        )


def _spelled(scores: Sequence[float]) -> str:
    return "".join(f" <rm{k}_score> {_one_decimal(score)}" for k, score in enumerate(scores, 1))


def _one_decimal(score: float) -> str:
    text = f"{score:.1f}"
    return "0.0" if text == "-0.0" else text
