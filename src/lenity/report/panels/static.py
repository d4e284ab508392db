"""Static preferences: a table of all methods at equal weights, per objective and on average, in every view (Table 1 of arXiv 2604.05965)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval, bounds, resampled
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Cell, Table, bracket, even_first, number, weights_text
from lenity.report.scores import Scale, Scores, complete
from lenity.report.spots import REFERENCE

Array = NDArray[np.float64]
AVERAGE = "average"
EQUAL = 1e-6  # weights that differ by less count as equal


@dataclass(frozen=True)
class Column:
    """One column: the reference policy's value, then each method's; ``best`` is the position of a clearly best method."""

    name: str
    intervals: list[Interval]
    best: int | None


def static(evidence: Evidence, scores: Scores) -> Table | None:
    """The table, with one column group per view; None where no weights are shared."""
    comparison = evidence.main
    if not comparison.methods:
        return None
    methods = [one.method for one in comparison.methods]
    groups = [(one.view.name, columns(evidence, one, scores, methods)) for one in evidence.comparisons if one.methods]
    flat = [column for _, group in groups for column in group]
    rows = []
    for place, name in enumerate([REFERENCE, *methods]):
        cells = [
            Cell(number(c.intervals[place].value), bracket(c.intervals[place]), bold=c.best == place - 1) for c in flat
        ]
        rows.append([Cell(name), *cells])
    over = [("", 1), *((name, len(group)) for name, group in groups)]
    weights = weights_text(even_first(comparison.weights))
    caption = f"Every method at weights {weights}; rewards are standardised, the judge's scores are from 0 to 10."
    return Table(["method", *(column.name for column in flat)], rows, caption, over)


def static_title(comparison: Comparison) -> str:
    """The heading: equal weights where all methods have them, else the most even weights that they share."""
    if not comparison.methods:
        return ""
    weights = even_first(comparison.weights).values()
    if max(weights) - min(weights) < EQUAL:
        return "Every method at equal weights"
    return f"Every method at weights {weights_text(even_first(comparison.weights))}"


def columns(
    evidence: Evidence, comparison: Comparison, scores: Scores, methods: Sequence[str], draws: int = 1000
) -> list[Column]:
    """One column per objective and one for the average, at the most even weights that the methods share."""
    names, scale = list(comparison.view.columns.values()), _scale(comparison)
    weights = dict(even_first(comparison.weights))
    known = complete(evidence.runs, comparison, scores)
    stacks = [np.broadcast_to(scores.start(names, scale), (len(comparison.seeds), len(known), len(names)))]
    for method in methods:
        places = [
            next(
                i
                for i, run in enumerate(evidence.runs)
                if (run.method, run.weights, run.seed) == (method, weights, seed)
            )
            for seed in comparison.seeds
        ]
        stacks.append(scores.stack(places, names, scale))
    values = np.array(stacks)[:, :, known]  # (rows, seeds, prompts, K)
    values = np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)
    drawn = np.array([resampled(row, draws) for row in values])  # (rows, draws, K + 1)
    means = values.mean((1, 2))
    titles = [*comparison.objectives, *([AVERAGE] if len(names) > 1 else [])]
    return [_column(title, means[:, k], drawn[:, :, k]) for k, title in enumerate(titles)]


def _scale(comparison: Comparison) -> Scale:
    """Raw for the judge, whose scores share one scale; else standardised."""
    return "raw" if comparison.view.name == "judge" else "standardised"


def _column(name: str, means: Array, drawn: Array) -> Column:
    intervals = []
    for mean, row in zip(means, drawn, strict=True):
        low, high = bounds(row)
        intervals.append(Interval(float(mean), float(low), float(high)))
    return Column(name, intervals, clear_best(means[1:], drawn[1:]))


def clear_best(means: Array, drawn: Array) -> int | None:
    """The position of the best of ``means`` (rows,), if its paired interval against the second excludes 0, else None; ``drawn`` is (rows, draws)."""
    if len(means) < 2:
        return None
    second, first = np.argsort(means, kind="stable")[-2:]
    low, _ = bounds(drawn[first] - drawn[second])
    return int(first) if low > 0 else None
