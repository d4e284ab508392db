"""The training rows of reward models and of supervised fine-tuning: pairs, labelled texts, transcripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lenity.config.plain import brief
from lenity.config.stages import Labels, Pairs, Rows, Transcripts
from lenity.data.base import ReadReport
from lenity.data.human_assistant import dialogue, has_answer, prompt_end
from lenity.data.loading import evenly_spaced, load_columns
from lenity.errors import DataError


@dataclass(frozen=True)
class Pair:
    """Two responses to one prompt; ``chosen`` is the preferred one, ``columns`` are the row's other columns."""

    prompt: str
    chosen: str
    rejected: str
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Labelled:
    """A response (or bare text, with an empty prompt) and its class, 0 or 1."""

    prompt: str
    response: str
    label: int


def _common_prefix(first: str, second: str) -> str:
    differs = (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return first[: next(differs, min(len(first), len(second)))]


def load_pairs(source: Pairs, *, columns: bool = False) -> tuple[list[Pair], ReadReport]:
    r"""The pairs whose transcripts share their text up to an ``\n\nAssistant:``, and the report; others are dropped and counted.

    Args:
        source: the data set and its columns.
        columns: whether to read the other columns of the rows too.
    """
    both = [source.chosen, source.rejected]
    rows, report = _rows(source, both, others=None if columns else ())
    pairs = []
    for row in rows:
        chosen, rejected = dialogue(row[source.chosen]), dialogue(row[source.rejected])
        shared = _common_prefix(chosen, rejected)
        end = prompt_end(shared)
        if chosen == rejected:
            report.drop("chosen equals rejected")
        elif not end:
            report.drop("without a shared prompt")
        else:
            others = {name: value for name, value in row.items() if name not in both}
            pairs.append(Pair(chosen[:end], chosen[end:], rejected[end:], others))
    return _finish(pairs, source, report)


def load_labels(source: Labels) -> tuple[list[Labelled], ReadReport]:
    r"""The texts with their class, and the report; a dialogue is split at its last ``\n\nAssistant:``.

    Raises:
        DataError: a class is neither 0 nor 1.
    """
    rows, report = _rows(source, [source.text, source.label], text=[source.text])
    items = []
    for row in rows:
        if row[source.label] not in (0, 1):
            raise DataError(
                f"column '{source.label}' of {report.source} holds {brief(row[source.label])}; labels are 0 or 1.",
                "Map the labels to 0 and 1 first.",
            )
        text = dialogue(row[source.text])
        end = prompt_end(text)
        items.append(Labelled(text[:end], text[end:], int(row[source.label])))
    return _finish(items, source, report)


def load_transcripts(source: Transcripts) -> tuple[list[str], ReadReport]:
    """The whole dialogues, and the report; those without an assistant turn are dropped and counted."""
    rows, report = _rows(source, [source.text])
    texts = [text for row in rows if has_answer(text := dialogue(row[source.text]))]
    report.drop("without an assistant turn", len(rows) - len(texts))
    return _finish(texts, source, report)


def _rows(
    source: Rows, columns: list[str], text: list[str] | None = None, others: Sequence[str] | None = ()
) -> tuple[list[dict[str, Any]], ReadReport]:
    subsets = source.subset if isinstance(source.subset, list) else [source.subset]
    rows: list[dict[str, Any]] = []
    total = ReadReport(f"{source.dataset} ({source.split})")
    for subset in subsets:
        part, report = load_columns(
            source.dataset, columns, subset=subset, split=source.split, text=text, others=others
        )
        rows += part
        total.read += report.read
        for reason, count in report.dropped.items():
            total.drop(reason, count)
    if others is None:  # a reward takes a column of some subsets alone as one that is None in the others
        names = dict.fromkeys(name for row in rows for name in row)
        rows = [{name: row.get(name) for name in names} for row in rows]
    return rows, total


def _finish(items: list[Any], source: Rows, report: ReadReport) -> tuple[list[Any], ReadReport]:
    if not items:
        raise DataError(f"no usable row is left. {report}.", "Check the columns named in the configuration.")
    kept = evenly_spaced(items, source.limit)
    report.drop("beyond the limit", len(items) - len(kept))
    report.kept = len(kept)
    return kept, report
