"""A comparison as headings and rows of text, the same for the terminal, the page and the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.pareto.confidence import Interval
from lenity.report.comparison import MARGIN, Comparison

Table = tuple[list[str], list[list[str]]]


def methods(comparison: Comparison) -> Table:
    """Scalarised value and hypervolume, with what they are over the baseline."""
    over = f"over {comparison.baseline}"
    rows = [
        [found.method, str(found.value), _over(found.value_over), str(found.volume), _over(found.volume_over)]
        for found in comparison.methods
    ]
    if comparison.best is not None:
        rows.append(["exact best at the same weights", "", "", f"{comparison.best:.3f}", ""])
    return ["method", "scalarised value", over, "hypervolume", over], rows


def costs(comparison: Comparison) -> Table:
    """What each method's front took, one seed."""
    headings = ["method", "trainings", "tokens", "reward calls", "forward", "backward", "seconds"]
    rows = []
    for found in comparison.methods:
        cost = found.cost
        counts = (cost.tokens, cost.reward_calls, cost.forward_passes, cost.backward_passes, cost.seconds)
        rows.append([found.method, f"{cost.runs:g}", *(f"{count:,.0f}" for count in counts)])
    return headings, rows


def rewards(comparison: Comparison) -> Table:
    """Raw reward of every objective at every weighting."""
    rows = [[found.name, *(str(found.rewards[name]) for name in comparison.objectives)] for found in comparison.rewards]
    return ["method · weights", *comparison.objectives], rows


def note(comparison: Comparison) -> str:
    """What the figures of :func:`methods` mean."""
    point = ", ".join(f"{value:.3f}" for value in comparison.reference)
    seeds = len(comparison.seeds)
    return (
        f"{len(comparison.weights)} weights, {seeds} seed{'s' if seeds > 1 else ''}, {comparison.prompts} held-out prompts. The scalarised value is "
        "the mean over weights w of Σ w_k times the standardised reward of k (0 is the reference policy on average). "
        f"Hypervolume is on standardised {', '.join(comparison.objectives)} above ({point}), the reference policy's mean minus {MARGIN:g}, "
        "mean over seeds. Brackets are 95 % bootstrap intervals over prompts"
        + (" and seeds" if seeds > 1 else "; seeds are not resampled")
        + ", paired in differences; only an interval that excludes 0 shows a difference."
    )


def markdown(table: Table) -> str:
    """A Markdown table.

    >>> print(markdown((["a", "b"], [["1", "2"]])))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    headings, rows = table
    lines: list[Sequence[Any]] = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def rich(table: Table, title: str) -> Any:
    """A table for the terminal."""
    from rich.markup import escape
    from rich.table import Table as RichTable

    headings, rows = table
    result = RichTable(title=title, title_justify="left")
    for i, heading in enumerate(headings):
        result.add_column(heading, justify="right" if i else "left")
    for row in rows:
        result.add_row(*map(escape, row))
    return result


def _over(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    word = ("better" if interval.value > 0 else "worse") if interval.excludes_zero else "not clear"
    return f"{interval} {word}"
