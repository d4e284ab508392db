"""Stop strings: a response ends with the token that completes one; its text ends before it.

A response's text is what its tokens add to the prompt's text, without special tokens. A stop string may also contain the text of
special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from jaxtyping import Int
from torch import Tensor

CONTEXT = 16  # last tokens of the prompt, after which a response is decoded


class StopStrings:
    """The rows whose responses a stop string has ended, with the number of their tokens in ``found``.

    Args:
        tokenizer: the policy's tokenizer.
        stop: the stop strings.
        prompts: token ids of each row's prompt; without them responses are decoded alone.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], prompts: Sequence[Sequence[int]] = ()) -> None:
        self._tokenizer, self.stop, self._prompts = tokenizer, tuple(filter(None, stop)), prompts
        self._completing = tokens_with(tokenizer, "".join(sorted({text[-1] for text in self.stop})))
        self.found: dict[int, int] = {}

    def look(self, rows: Sequence[int], tokens: Int[Tensor, "B T"]) -> None:
        """Record which of ``rows`` a stop string has just ended, and after how many tokens.

        Only a token that contains the last character of a stop string can complete it, so other rows are not decoded.

        Args:
            rows: row numbers in the batch.
            tokens: all tokens of each row so far.
        """
        for i, (row, last) in enumerate(zip(rows, tokens[:, -1].tolist(), strict=True)):
            if last in self._completing and row not in self.found and self._ended(row, tokens[i].tolist()):
                self.found[row] = tokens.shape[1]

    def text(self, row: int, tokens: list[int]) -> str:
        """The text of a response with these ``tokens``, cut before the first stop string."""
        plain, spelled = self._texts(row, tokens)
        if (before_stop := cut(plain, self.stop)) == plain and (before := cut(spelled, self.stop)) != spelled:
            special = re.compile("|".join(map(re.escape, self._tokenizer.all_special_tokens)) or "(?!)")
            return special.sub("", before)
        return before_stop

    def _ended(self, row: int, tokens: list[int]) -> bool:
        return any(stop in text for text in self._texts(row, tokens) for stop in self.stop)

    def _texts(self, row: int, tokens: list[int]) -> tuple[str, str]:
        """The text of a response, and the same with special tokens spelled out."""
        return self._added(row, tokens), self._added(row, tokens, special=True)

    def _added(self, row: int, tokens: list[int], *, special: bool = False) -> str:
        """What ``tokens`` add to the text of their prompt; alone, many tokenizers would lose its leading space."""
        decode = partial(self._tokenizer.decode, skip_special_tokens=not special)
        prompt = list(self._prompts[row][-CONTEXT:]) if self._prompts else []
        before, whole = decode(prompt), decode([*prompt, *tokens])
        return str(whole[len(before) :] if whole.startswith(before) else decode(tokens))


def cut(text: str, stop: Sequence[str]) -> str:
    r"""The text before the first stop string.

    >>> cut(" Yes.\n\nHuman: Why?", ["\n\nHuman:"])
    ' Yes.'
    """
    return text[: min((at for at in map(text.find, stop) if at >= 0), default=len(text))]


@lru_cache(maxsize=8)
def tokens_with(tokenizer: Any, characters: str) -> frozenset[int]:
    """The tokens whose text, after other tokens, contains any of ``characters``, or a part of a character, which may be one of them."""
    if not characters:
        return frozenset()
    lead = tokenizer("a", add_special_tokens=False)["input_ids"]
    before, *texts = tokenizer.batch_decode([lead, *([*lead, token] for token in range(len(tokenizer)))])
    signs = {*characters, "\ufffd"}
    return frozenset(token for token, text in enumerate(texts) if signs & set(text.removeprefix(before)))
