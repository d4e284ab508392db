"""Token ids for a policy: prompts to continue, and whole transcripts with labels for training.

Reward models read texts as encoded by their own tokenizer, including its end token; see ``rewards/templates.py``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from lenity.data.human_assistant import question
from lenity.errors import ModelError

IGNORED = -100  # the label of a token without loss
PROBE = question("a")


class Span(NamedTuple):
    """A range of characters of a text, from ``start`` up to but not including ``end``."""

    start: int
    end: int


def prompt_ids(tokenizer: Any, prompts: Sequence[str]) -> list[list[int]]:
    """The token ids of each prompt: with tokens that the tokenizer puts before a text, such as BOS, without those it appends, such as EOS.

    Raises:
        ModelError: see :func:`affixes`.
    """
    before, _ = affixes(tokenizer)
    return [[*before, *ids] for ids in _bare(tokenizer, list(prompts))]


def affixes(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The token ids that the tokenizer puts before every text, and those that it appends.

    Raises:
        ModelError: adding special tokens changes the tokens of the text itself.
    """
    (bare,), whole = _bare(tokenizer, [PROBE]), list(tokenizer(PROBE)["input_ids"])
    at = next((i for i in range(len(whole)) if whole[i : i + len(bare)] == bare), None)
    if at is None or not bare:
        raise ModelError(
            f"the policy's tokenizer, {type(tokenizer).__name__}, reads {PROBE!r} as {whole} with its special tokens and as {bare} without, "
            "so it is not clear where a prompt ends.",
            "Use a tokenizer that puts its special tokens before or after a text.",
        )
    return whole[:at], whole[at + len(bare) :]


def encode_turns(
    tokenizer: Any, texts: Sequence[str], turns: Sequence[Sequence[Span]]
) -> list[tuple[list[int], list[int]]]:
    """The token ids of whole transcripts, which begin as by :func:`prompt_ids` and end with EOS, and the labels of the turns to train on.

    The label after a turn is EOS, also if the transcript continues, so that the policy learns to stop. If one token spans the end of a
    turn and the start of the next text, its label is the token that a response would have there. If the text of a turn ends with EOS
    written out, no further EOS is added.

    Args:
        tokenizer: the policy's tokenizer.
        texts: n transcripts.
        turns: the turns to train on in each transcript, in order.

    Returns:
        The (ids, labels) of each text, of equal length; labels are ``IGNORED`` outside the turns.
    """
    (before, _), eos = affixes(tokenizer), tokenizer.eos_token_id
    encoded = []
    for text, spans, (ids, ends) in zip(texts, turns, _with_ends(tokenizer, texts, turns), strict=True):
        labels = [IGNORED] * (len(ids) + 1)
        for start, end in spans:
            first, last = bisect_right(ends, start), bisect_right(ends, end)
            labels[first:last] = ids[first:last]
            if ids[last - 1 : last] != [eos]:
                labels[last] = _after(tokenizer, text[:end], ids[:last], whole=last > 0 and ends[last - 1] == end)
        row = [*before, *ids] if ids[-1:] == [eos] else [*before, *ids, eos]
        encoded.append((row, [*[IGNORED] * len(before), *labels][: len(row)]))
    return encoded


def split_at_turn(ids: list[int], labels: list[int]) -> tuple[list[int], list[int]]:
    """The ids of the prompt, and those of the single response after it."""
    at = next((i for i, label in enumerate(labels) if label != IGNORED), len(labels))
    return ids[:at], ids[at:]


def _after(tokenizer: Any, text: str, ids: list[int], *, whole: bool) -> int:
    """The token that follows ``ids`` in a transcript that ends with ``text``, of which they are all tokens if ``whole``."""
    tokens = ids if whole else _bare(tokenizer, [text])[0]
    return int([*tokens, tokenizer.eos_token_id][len(ids)]) if tokens[: len(ids)] == ids else IGNORED


def _with_ends(
    tokenizer: Any, texts: Sequence[str], turns: Sequence[Sequence[Span]]
) -> list[tuple[list[int], list[int]]]:
    """The ids of each text without special tokens, and the characters at which its tokens end."""
    if getattr(tokenizer, "is_fast", False):
        rows = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [
            (list(ids), [end for _, end in offsets])
            for ids, offsets in zip(rows["input_ids"], rows["offset_mapping"], strict=True)
        ]
    return [
        (ids, _ends_by_prefix(tokenizer, text, ids, sorted({at for span in spans for at in span})))
        for text, spans, ids in zip(texts, turns, _bare(tokenizer, list(texts)), strict=True)
    ]


def _ends_by_prefix(tokenizer: Any, text: str, ids: list[int], cuts: list[int]) -> list[int]:
    """The ends of tokens without offsets: the first of ``cuts`` up to which the text has the token among its own."""
    ends: list[int] = []
    for cut, part in zip(cuts, _bare(tokenizer, [text[:cut] for cut in cuts]), strict=True):
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(part, ids, strict=False)))
        ends += [cut] * (same - len(ends))
    return ends + [len(text) + 1] * (len(ids) - len(ends))


def _bare(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """The token ids without special tokens; only fast tokenizers gain from a batch."""
    if getattr(tokenizer, "is_fast", False) and texts:
        return [list(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]
    return [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
