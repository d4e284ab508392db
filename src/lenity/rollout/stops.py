"""Stop strings: a response ends with the token that completes one; its text ends before it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jaxtyping import Int
from torch import Tensor

TAIL = 12  # tokens in which a stop string that has just been completed must lie


class StopStrings:
    """Looks, after each token, whether a row's last tokens spell a stop string; remembers after how many they did.

    Only a token that holds the last character of a stop string can complete it, so that the other rows are not decoded.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self._tokenizer, self.stop = tokenizer, stop
        self._completing = tokens_with(tokenizer, "".join(sorted({text[-1] for text in stop if text})))
        self.found: dict[int, int] = {}

    def look(self, rows: Sequence[int], tokens: Int[Tensor, "B T"]) -> None:
        """``tokens`` are all that each of ``rows`` has so far, numbers of the batch."""
        last = tokens[:, -1].tolist()
        if at := [i for i, row in enumerate(rows) if last[i] in self._completing and row not in self.found]:
            tails = self._tokenizer.batch_decode(tokens[at, -TAIL:])
            for i, tail in zip(at, tails, strict=True):
                if any(text in tail for text in self.stop):
                    self.found[rows[i]] = tokens.shape[1]


def cut(text: str, stop: Sequence[str]) -> str:
    r"""The text before the first stop string.

    >>> cut(" Yes.\n\nHuman: Why?", ["\n\nHuman:"])
    ' Yes.'
    """
    return text[: min((at for at in map(text.find, stop) if at >= 0), default=len(text))]


@lru_cache(maxsize=8)
def tokens_with(tokenizer: Any, characters: str) -> frozenset[int]:
    """The tokens whose text holds any of ``characters``, or a part of a character, which may be one of them."""
    if not characters:
        return frozenset()
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    signs = {*characters, "\ufffd"}
    return frozenset(token for token, text in enumerate(texts) if signs & set(text))
