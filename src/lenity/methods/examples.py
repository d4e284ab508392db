"""Scored responses as training examples: stored on disk, encoded as tokens, and filtered by rejection sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lenity.data.conversation import Prompt
from lenity.data.human_assistant import as_prompt
from lenity.data.tokens import IGNORED, Span, encode_turns
from lenity.errors import DataError


@dataclass(frozen=True)
class Examples:
    """Responses with their raw scores, (n, K); ``finished`` is False for responses cut at the length limit."""

    prompts: list[Prompt]
    responses: list[str]
    finished: list[bool]
    raw: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.prompts)

    def take(self, rows: Sequence[int]) -> Examples:
        """The examples at ``rows``, in that order."""
        prompts, responses = [self.prompts[i] for i in rows], [self.responses[i] for i in rows]
        return Examples(prompts, responses, [self.finished[i] for i in rows], self.raw[list(rows)])

    def join(self, other: Examples) -> Examples:
        """These examples, followed by those of ``other``."""
        return Examples(
            self.prompts + other.prompts, self.responses + other.responses, self.finished + other.finished,
            np.concatenate([self.raw, other.raw]),
        )  # fmt: skip

    def save(self, file: Path) -> None:
        """Write a parquet file, without the columns of the data rows, which only scoring needs."""
        import pandas as pd

        texts = {
            "prompt": [prompt.text for prompt in self.prompts],
            "response": self.responses,
            "finished": self.finished,
        }
        pd.DataFrame(texts | {"raw": self.raw.tolist()}).to_parquet(file)

    @classmethod
    def load(cls, file: Path) -> Examples:
        """The examples that :meth:`save` wrote."""
        import pandas as pd

        frame = pd.read_parquet(file)
        prompts, responses, finished = (frame[name].tolist() for name in ("prompt", "response", "finished"))
        return cls(
            [as_prompt(text) for text in prompts],
            responses,
            finished,
            np.array(frame["raw"].tolist(), dtype=np.float64),
        )


def encode(tokenizer: Any, shown: Sequence[str], examples: Examples, max_length: int) -> list[dict[str, list[int]]]:
    """The ``input_ids`` and ``labels`` of each example for TRL's collator; longer examples are dropped.

    The loss covers the response and, if the response is finished, its EOS.

    Raises:
        DataError: every row is longer than ``max_length``.
    """
    texts = [prompt + response for prompt, response in zip(shown, examples.responses, strict=True)]
    turns = [[Span(len(prompt), len(text))] for prompt, text in zip(shown, texts, strict=True)]
    rows = []
    for (ids, labels), ended in zip(encode_turns(tokenizer, texts, turns), examples.finished, strict=True):
        length = len(ids) if ended else len(ids) - 1
        if length <= max_length and labels[:length] != [IGNORED] * length:
            rows.append({"input_ids": ids[:length], "labels": labels[:length]})
    if not rows:
        raise DataError(
            f"method.max_length is {max_length}, and every one of {len(texts)} examples is longer.", "Raise it."
        )
    return rows


def reaches_quantile(scores: ArrayLike, quantile: float) -> NDArray[np.bool_]:
    """The rows that rejection sampling keeps (arXiv 2402.10207, section 3.3): those where any objective's score reaches
    that objective's quantile over the rows.

    Args:
        scores: (n, K).
        quantile: in [0, 1].

    Returns:
        (n,).

    >>> reaches_quantile([[0.0, 5.0], [1.0, 4.0], [2.0, 3.0]], 1.0).tolist()
    [True, False, True]
    """
    table = np.asarray(scores, dtype=np.float64)
    return np.asarray((table >= np.quantile(table, quantile, axis=0)).any(1), dtype=bool)
