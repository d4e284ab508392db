"""Tables of a comparison as headings and rows of text, shared by terminal, page and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.console.markdown import inline
from lenity.evaluation.protocol import MARGIN
from lenity.pareto.confidence import Interval
from lenity.pareto.measures import Measure, measures
from lenity.report.collect import Run
from lenity.report.comparison import MAIN, Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import weights_text

Table = tuple[list[str], list[list[str]]]
PASSES = "Forward and backward passes are those of the update, each over one mini-batch, counted on one process."
CAPTION = "The weights and seeds of each method, and the first comparison that includes it."
MOST_WEIGHTS = 6  # named in a cell


def methods(comparison: Comparison, names: Sequence[str] = MAIN) -> Table:
    """The metrics ``names`` of each method, each with its difference from the baseline's."""
    by_name = {measure.name: measure for measure in measures(comparison.objectives)}
    rows = []
    for one in comparison.methods:
        cells = [(str(one.metrics[name]), _over(one.over.get(name), by_name[name])) for name in names]
        rows.append([one.method, *(cell for pair in cells for cell in pair)])
    if comparison.best is not None and "hypervolume" in names:
        blank = [("", "")] * len(names)
        blank[list(names).index("hypervolume")] = (f"{comparison.best:.3f}", "")
        rows.append(["exact best at the same weights", *(cell for pair in blank for cell in pair)])
    over = f"over {comparison.baseline}"
    return ["method", *(text for name in names for text in (_arrow(by_name[name]), over))], rows


def other_metrics(comparison: Comparison) -> Table:
    """The metrics of each method beyond the main ones."""
    rest = [measure for measure in measures(comparison.objectives) if measure.name not in MAIN]
    rows = [[one.method, *(str(one.metrics[measure.name]) for measure in rest)] for one in comparison.methods]
    return ["method", *map(_arrow, rest)], rows


def differences(comparison: Comparison) -> Table:
    """The differences of the other metrics from the baseline's."""
    rest = [measure for measure in measures(comparison.objectives) if measure.name not in MAIN]
    rows = [
        [one.method, *(_over(one.over[measure.name], measure) for measure in rest)]
        for one in comparison.methods
        if one.over
    ]
    return [f"over {comparison.baseline}", *map(_arrow, rest)], rows


def pairs(comparison: Comparison) -> Table:
    """The differences in the main metrics for every two methods whose weights and seeds differ, at those that the two share."""
    by_name = {measure.name: measure for measure in measures(comparison.objectives)}
    rows = []
    for pair in comparison.pairs:
        shared = (
            f"{count(len(pair.weights), 'weighting')}, {count(len(pair.seeds), 'seed')}" if pair.weights else "none"
        )
        cells = [_over(pair.over.get(name), by_name[name]) for name in MAIN]
        rows.append([f"{pair.method} over {pair.baseline}", shared, *cells])
    return ["pair", "shared", *(_arrow(by_name[name]) for name in MAIN)], rows


def heading(comparison: Comparison) -> str:
    """The number of weights and seeds of a comparison, and its methods."""
    names = listed([one.method for one in comparison.methods])
    return f"At {count(len(comparison.weights), 'weighting')} and {count(len(comparison.seeds), 'seed')}: {names}"


def listed(names: Sequence[str]) -> str:
    """Names separated by commas, or by semicolons where one of them contains a comma.

    >>> listed(["plc", "linear"]), listed(["plc, clip 0.1", "linear"])
    ('plc, linear', 'plc, clip 0.1; linear')
    """
    return ("; " if any("," in name for name in names) else ", ").join(names)


def count(number: int, word: str) -> str:
    """``number`` with ``word`` in the singular or plural.

    >>> count(1, "seed"), count(2, "seed")
    ('1 seed', '2 seeds')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


def costs(comparison: Comparison) -> Table:
    """The cost of each method's front, per seed."""
    headings = ["method", "trainings", "tokens", "reward calls", "forward", "backward", "seconds"]
    rows = []
    for one in comparison.everyone:
        cost = one.cost
        counts = (cost.tokens, cost.reward_calls, cost.forward_passes, cost.backward_passes, cost.seconds)
        rows.append([one.method, f"{cost.runs:g}", *(f"{count:,.0f}" for count in counts)])
    return headings, rows


def rewards(comparison: Comparison) -> Table:
    """Mean raw reward of each objective at each weighting; one row for a method with one policy for all weights."""
    rows = [["reference policy", *(str(comparison.start[name]) for name in comparison.objectives)]]
    for method in dict.fromkeys(point.method for point in comparison.points):
        cells = {
            point.name: [str(point.rewards[name]) for name in comparison.objectives]
            for point in comparison.points
            if point.method == method
        }
        single = len(cells) > 1 and len({tuple(row) for row in cells.values()}) == 1
        shown = {f"{method} · any": next(iter(cells.values()))} if single else cells
        rows += [[name, *row] for name, row in shown.items()]
    return ["method · weights", *comparison.objectives], rows


def presence(evidence: Evidence) -> Table:
    """One row per method, and one per method whose runs were made only for others."""
    points = [dict(point) for point in dict.fromkeys(tuple(run.weights.items()) for run in evidence.runs)]
    rows = [[*_row(runs, points), _comparison_of(runs[0].method, evidence.main)] for runs in _by_method(evidence.runs)]
    for runs in _by_method(evidence.helpers):
        users = dict.fromkeys(user for run in runs for user in run.made_for)
        rows.append([*_row(runs, points), f"no: made for {', '.join(users)}"])
    return ["method", "weights", "which", "seeds", "compared"], rows


def _by_method(runs: Sequence[Run]) -> list[list[Run]]:
    return [[run for run in runs if run.method == method] for method in dict.fromkeys(run.method for run in runs)]


def _row(runs: Sequence[Run], points: Sequence[dict[str, float]]) -> list[str]:
    """Method, number of weights, which weights, and seeds."""
    own = [point for point in points if any(run.weights == point for run in runs)]
    own += [run.weights for run in runs if run.weights not in points]
    return [runs[0].method, f"{len(own)} of {len(points)}", _which(runs, own, points), _seeds(runs, len(own))]


def _which(runs: Sequence[Run], own: Sequence[dict[str, float]], points: Sequence[dict[str, float]]) -> str:
    lacking = [point for point in points if point not in own]
    if len({run.path for run in runs}) == len({run.seed for run in runs}) < len(runs):
        return "all: one policy, whose training does not depend on the weights"
    if not lacking:
        return "all"
    shown = own if len(own) <= len(lacking) or len(own) <= MOST_WEIGHTS else lacking
    more = f"; and {len(shown) - MOST_WEIGHTS} more" if len(shown) > MOST_WEIGHTS else ""
    return ("all but " if shown is lacking else "") + "; ".join(map(weights_text, shown[:MOST_WEIGHTS])) + more


def _seeds(runs: Sequence[Run], of: int) -> str:
    """Each seed, with its number of weights where that is not all."""
    counts = {seed: sum(run.seed == seed for run in runs) for seed in sorted({run.seed for run in runs})}
    return ", ".join(f"{seed}" if number == of else f"{seed} (at {number} of {of})" for seed, number in counts.items())


def _comparison_of(method: str, main: Comparison) -> str:
    for part in main.all:
        names = [one.method for one in part.methods]
        if method in names:
            size = f"{count(len(part.weights), 'weighting')}, {count(len(part.seeds), 'seed')}"
            others = [name for name in names if name != method]
            return f"{size}, with {listed(others)}" if others else f"{size}, alone"
    return "no: it shares no weights and seeds with another method"


def note(comparison: Comparison) -> str:
    """The explanation of the metrics of :func:`methods`."""
    point, seeds = ", ".join(f"{value:.3f}" for value in comparison.reference), len(comparison.seeds)
    rule = (
        f"the reference policy's mean minus {MARGIN:g}" if comparison.rule == "fixed"
        else "the lowest mean of any run, which favours comparisons with bad runs"
    )  # fmt: skip
    missing = f" {comparison.missing} more prompts lack a score and are left out." if comparison.missing else ""
    if comparison.unasked:
        missing += f" {comparison.unasked} more were not judged (limit {comparison.prompts + comparison.missing})."
    return (
        f"By {comparison.view.name}: {count(len(comparison.weights), 'weight')}, {count(seeds, 'seed')}, {comparison.prompts} held-out "
        f"prompts.{missing} The scalarised value is the mean over weights w of Σ w_k r_k, with r_k the standardised reward of objective k (0 is the "
        f"reference policy's mean). Hypervolume is on standardised {', '.join(comparison.objectives)} above ({point}), {rule}, "
        "mean over seeds. Brackets are 95 % bootstrap intervals over prompts"
        + (" and seeds" if seeds > 1 else "; seeds are not resampled")
        + ", paired for differences; a difference is clear only where its interval excludes 0. ↑ more is better, ↓ less."
    )


def markdown(table: Table) -> str:
    """``table`` in Markdown.

    >>> print(markdown((["a", "b"], [["1", "2"]])))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    headings, rows = table
    lines: list[Sequence[Any]] = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(inline, line)) + " |" for line in lines)


def rich(table: Table, title: str) -> Any:
    """``table`` for the terminal."""
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
