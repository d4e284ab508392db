"""Which weights and seeds each method has, and which of them are compared: a table for the page, the Markdown and the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.report.collect import Run
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import weights_text
from lenity.report.tables import Table, count, listed

MOST = 6  # weights named in a cell
CAPTION = "Which weights and seeds each method has, and the comparison in which it stands first."


def presence(evidence: Evidence) -> Table:
    """A row per method, and one per method whose runs were made for others alone."""
    points = [dict(point) for point in dict.fromkeys(tuple(run.weights.items()) for run in evidence.runs)]
    rows = [[*_row(runs, points), _compared(runs[0].method, evidence.main)] for runs in _by_method(evidence.runs)]
    for runs in _by_method(evidence.helpers):
        users = dict.fromkeys(user for run in runs for user in run.made_for)
        rows.append([*_row(runs, points), f"no: made for {', '.join(users)}"])
    return ["method", "weights", "which", "seeds", "compared"], rows


def _by_method(runs: Sequence[Run]) -> list[list[Run]]:
    return [[run for run in runs if run.method == method] for method in dict.fromkeys(run.method for run in runs)]


def _row(runs: Sequence[Run], points: Sequence[dict[str, float]]) -> list[str]:
    """Method, how many weights, which, and seeds."""
    own = [point for point in points if any(run.weights == point for run in runs)]
    own += [run.weights for run in runs if run.weights not in points]
    return [runs[0].method, f"{len(own)} of {len(points)}", _which(runs, own, points), _seeds(runs, len(own))]


def _which(runs: Sequence[Run], own: Sequence[dict[str, float]], points: Sequence[dict[str, float]]) -> str:
    lacking = [point for point in points if point not in own]
    if len({run.path for run in runs}) == len({run.seed for run in runs}) < len(runs):
        return "all: one policy, into whose training weights do not enter"
    if not lacking:
        return "all"
    shown = own if len(own) <= len(lacking) or len(own) <= MOST else lacking
    more = f"; and {len(shown) - MOST} more" if len(shown) > MOST else ""
    return ("all but " if shown is lacking else "") + "; ".join(map(weights_text, shown[:MOST])) + more


def _seeds(runs: Sequence[Run], of: int) -> str:
    """Each seed, with at how many weights where that is not all."""
    counts = {seed: sum(run.seed == seed for run in runs) for seed in sorted({run.seed for run in runs})}
    return ", ".join(f"{seed}" if number == of else f"{seed} (at {number} of {of})" for seed, number in counts.items())


def _compared(method: str, main: Comparison) -> str:
    for found in main.all:
        names = [one.method for one in found.methods]
        if method in names:
            size = f"{count(len(found.weights), 'weighting')}, {count(len(found.seeds), 'seed')}"
            others = [name for name in names if name != method]
            return f"{size}, with {listed(others)}" if others else f"{size}, alone"
    return "no: it shares no weights and seeds with another method"
