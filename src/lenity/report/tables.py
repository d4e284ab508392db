"""A comparison as headings and rows of text, the same for the terminal, the page and the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.console.markdown import inline
from lenity.evaluation.protocol import MARGIN
from lenity.pareto.confidence import Interval
from lenity.pareto.measures import Measure, measures
from lenity.report.comparison import MAIN, Comparison

Table = tuple[list[str], list[list[str]]]
PASSES = "Forward and backward passes are those of the update alone, each over one mini-batch, counted on one process."


def methods(comparison: Comparison, names: Sequence[str] = MAIN) -> Table:
    """Figures of these names, each with what it is over the baseline."""
    by_name = {measure.name: measure for measure in measures(comparison.objectives)}
    rows = []
    for found in comparison.methods:
        cells = [(str(found.figures[name]), _over(found.over.get(name), by_name[name])) for name in names]
        rows.append([found.method, *(cell for pair in cells for cell in pair)])
    if comparison.best is not None and "hypervolume" in names:
        blank = [("", "")] * len(names)
        blank[list(names).index("hypervolume")] = (f"{comparison.best:.3f}", "")
        rows.append(["exact best at the same weights", *(cell for pair in blank for cell in pair)])
    over = f"over {comparison.baseline}"
    return ["method", *(text for name in names for text in (_arrow(by_name[name]), over))], rows


def figures(comparison: Comparison) -> Table:
    """The other figures of every method."""
    rest = [measure for measure in measures(comparison.objectives) if measure.name not in MAIN]
    rows = [[found.method, *(str(found.figures[measure.name]) for measure in rest)] for found in comparison.methods]
    return ["method", *map(_arrow, rest)], rows


def differences(comparison: Comparison) -> Table:
    """What every other figure is over the baseline's."""
    rest = [measure for measure in measures(comparison.objectives) if measure.name not in MAIN]
    rows = [
        [found.method, *(_over(found.over[measure.name], measure) for measure in rest)]
        for found in comparison.methods
        if found.over
    ]
    return [f"over {comparison.baseline}", *map(_arrow, rest)], rows


def pairs(comparison: Comparison) -> Table:
    """The main figures of every two methods that do not have the same weights and seeds, over those that the two share."""
    by_name = {measure.name: measure for measure in measures(comparison.objectives)}
    rows = []
    for pair in comparison.pairs:
        shared = (
            f"{count(len(pair.weights), 'weighting')}, {count(len(pair.seeds), 'seed')}" if pair.weights else "none"
        )
        cells = [_over(pair.over.get(name), by_name[name]) for name in MAIN]
        rows.append([f"{pair.method} over {pair.baseline}", shared, *cells])
    return ["pair by pair", "shared", *(_arrow(by_name[name]) for name in MAIN)], rows


def heading(comparison: Comparison) -> str:
    """Where the methods of a comparison are compared, and which they are."""
    names = listed([found.method for found in comparison.methods])
    return f"At {count(len(comparison.weights), 'weighting')} and {count(len(comparison.seeds), 'seed')}: {names}"


def listed(names: Sequence[str]) -> str:
    """Names side by side, apart by semicolons where one of them has a comma.

    >>> listed(["plc", "linear"]), listed(["plc, clip 0.1", "linear"])
    ('plc, linear', 'plc, clip 0.1; linear')
    """
    return ("; " if any("," in name for name in names) else ", ").join(names)


def count(number: int, word: str) -> str:
    """A number of things.

    >>> count(1, "seed"), count(2, "seed")
    ('1 seed', '2 seeds')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


def costs(comparison: Comparison) -> Table:
    """What each method's front took, one seed."""
    headings = ["method", "trainings", "tokens", "reward calls", "forward", "backward", "seconds"]
    rows = []
    for found in comparison.everyone:
        cost = found.cost
        counts = (cost.tokens, cost.reward_calls, cost.forward_passes, cost.backward_passes, cost.seconds)
        rows.append([found.method, f"{cost.runs:g}", *(f"{count:,.0f}" for count in counts)])
    return headings, rows


def rewards(comparison: Comparison) -> Table:
    """Raw reward of every objective at every weighting; one row for a method that gives one policy for all of them."""
    rows = [["reference policy", *(str(comparison.start[name]) for name in comparison.objectives)]]
    for method in dict.fromkeys(point.method for point in comparison.points):
        cells = {
            point.name: [str(point.rewards[name]) for name in comparison.objectives]
            for point in comparison.points
            if point.method == method
        }
        one = len(cells) > 1 and len({tuple(found) for found in cells.values()}) == 1
        shown = {f"{method} · any": next(iter(cells.values()))} if one else cells
        rows += [[name, *found] for name, found in shown.items()]
    return ["method · weights", *comparison.objectives], rows


def note(comparison: Comparison) -> str:
    """What the figures of :func:`methods` mean."""
    point, seeds = ", ".join(f"{value:.3f}" for value in comparison.reference), len(comparison.seeds)
    rule = (
        f"the reference policy's mean minus {MARGIN:g}" if comparison.rule == "fixed"
        else "the lowest mean of any run, which rewards a comparison with bad runs"
    )  # fmt: skip
    missing = f" {comparison.missing} more prompts lack a score and are left out." if comparison.missing else ""
    if comparison.unasked:
        missing += f" {comparison.unasked} more were not asked (limit {comparison.prompts + comparison.missing})."
    return (
        f"By {comparison.view.name}: {count(len(comparison.weights), 'weight')}, {count(seeds, 'seed')}, {comparison.prompts} held-out "
        f"prompts.{missing} The scalarised value is the mean over weights w of Σ w_k times the standardised reward of k (0 is the reference "
        f"policy on average). Hypervolume is on standardised {', '.join(comparison.objectives)} above ({point}), {rule}, "
        "mean over seeds. Brackets are 95 % bootstrap intervals over prompts"
        + (" and seeds" if seeds > 1 else "; seeds are not resampled")
        + ", paired in differences; only an interval that excludes 0 shows a difference. ↑ more is better, ↓ less."
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
    return "\n".join("| " + " | ".join(map(inline, line)) + " |" for line in lines)


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


def _arrow(measure: Measure) -> str:
    return measure.name + {1: " ↑", -1: " ↓", 0: ""}[measure.better]


def _over(interval: Interval | None, measure: Measure) -> str:
    if interval is None or str(interval) == "–":
        return "–"
    if not interval.excludes_zero:
        return f"{interval} not clear"
    word = {1: "better", -1: "worse", 0: "differs"}[measure.better * (1 if interval.value > 0 else -1)]
    return f"{interval} {word}"
