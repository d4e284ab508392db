"""Rows of data sets: read whole, dropped and counted, or refused; nothing is lost or made up on the way."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st

from fuzz.hostile import scalars, values
from lenity.config.stages import Labels, Pairs, Transcripts
from lenity.data import loading
from lenity.data.beavertails import BeaverTails
from lenity.data.hh_rlhf import HHRLHF
from lenity.data.human_assistant import ASSISTANT, HUMAN, prompt_of, segments, wrap
from lenity.data.preferences import load_labels, load_pairs, load_transcripts
from lenity.errors import DataError

PIECES = [
    HUMAN,
    ASSISTANT,
    "\n\n",
    "Human:",
    "Assistant:",
    "\n",
    "\r\n",
    " ",
    " Hi",
    "\0",
    "\ud800",
    "\u2028",
    "e\u0301",
    "😀",
]

texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join)
cells = texts | texts.map(lambda text: f"{HUMAN} Hi{ASSISTANT}{text}") | scalars
rows = st.lists(
    st.fixed_dictionaries({"chosen": cells, "rejected": cells, "label": st.sampled_from([0, 1]) | values}), max_size=4
)
TRANSCRIPTS = st.tuples(texts, rows, st.none() | st.integers(1, 5))


def served(found: list[dict[str, Any]]) -> Callable[..., Any]:
    """What stands in for reading a file: columns and rows that are in memory."""
    names = ["chosen", "rejected", "label"]
    return lambda dataset, columns, *_: (
        names,
        [{name: row[name] for name in columns or names if name in row} for row in found],
    )


def read_transcripts(given: Any) -> None:
    """One text through what cuts texts, and rows through every reader."""
    text, found, limit = given
    _cuts(text)
    with patch.object(loading, "_rows", served(found)):
        _reads(found, limit)


def _cuts(text: str) -> None:
    pieces = segments(text)
    assert text.startswith("".join(piece for piece, _ in pieces))
    assert [speaks for _, speaks in pieces] == [False, True] * (len(pieces) // 2)
    assert all(piece.strip() if speaks else piece.endswith(ASSISTANT) for piece, speaks in pieces)
    prompt, shown = prompt_of(text), wrap(text)
    assert prompt is not None or not text.startswith(HUMAN) or ASSISTANT not in text
    assert prompt is None or (
        prompt.startswith(HUMAN)
        and prompt.endswith(ASSISTANT)
        and wrap(prompt) == prompt
        and _kept(text).startswith(_kept(prompt))
    )
    assert shown.startswith(HUMAN.rstrip()) and shown.endswith(ASSISTANT) and wrap(shown) == shown
    said, whole = _kept(shown), _kept(text)
    assert said in {a + whole + b for a in ("", "Human:") for b in ("", "Assistant:")} or whole.startswith(said)


def _kept(text: str) -> str:
    """What is seen of ``text``, without the gaps."""
    return "".join(
        sign for sign in text if not (sign.isspace() or unicodedata.category(sign) == "Cf" or sign == "\ufeff")
    )


def _reads(found: list[dict[str, Any]], limit: int | None) -> None:
    whole = {row["chosen"] for row in found if isinstance(row["chosen"], str)}
    readers = [
        (lambda: load_pairs(Pairs(dataset="x", limit=limit)), lambda pair: pair.prompt + pair.chosen in whole and pair.chosen != pair.rejected),
        (lambda: load_labels(Labels(dataset="x", text="chosen", limit=limit)), lambda item: item.prompt + item.response in whole and item.label in {0, 1}),
        (lambda: load_transcripts(Transcripts(dataset="x", text="chosen", limit=limit)), whole.__contains__),
        (HHRLHF(dataset="x").texts, lambda prompt: any(prompt_of(text) == prompt for text in whole)),
        (BeaverTails(dataset="x", prompt="chosen").texts, lambda prompt: any(wrap(text) == prompt for text in whole)),
    ]  # fmt: skip
    for read, right in readers:
        try:
            items, report = read()
        except DataError:
            continue
        assert all(map(right, items))
        assert report.kept == len(items) and report.read == len(found) == report.kept + sum(report.dropped.values())
