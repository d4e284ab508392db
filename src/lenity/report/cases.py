"""Which prompts and responses the page shows, by rule, and how much of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenity.report.embedded import as_json
from lenity.report.evidence import Evidence
from lenity.report.panels.base import even_first, number, thinned, weights_text
from lenity.report.scores import Scores
from lenity.report.spots import grouped

if TYPE_CHECKING:
    from markupsafe import Markup

Array = NDArray[np.float64]
TEXTS = 1_500_000  # bytes of all texts in a page, for a page that opens quickly
# prompts in the panel of a point, and characters of a response: the first at which the texts stay within that
SIZES = (
    *((8, length) for length in (1500, 1000, 700, 450, 300, 200)), (4, 200), (2, 200), (2, 100), (1, 50), (1, 20)
)  # fmt: skip
LONGEST = 1500  # characters of a prompt
WIDEST = 9  # weightings of one method beside each other
RULES = {
    "methods": "where the methods' mean scores differ most, the next most, and one where they differ as much as usual",
    "weights": "where this method's mean scores over the weights differ most, and one where they differ as much as usual",
}


@dataclass(frozen=True)
class Case:
    """Prompts by place, and the runs whose responses stand beside each other."""

    label: str
    prompts: list[int]
    runs: list[int]


def across_methods(evidence: Evidence, scores: Scores) -> Case | None:
    """Each method at the most even weights that they share."""
    comparison = evidence.main
    if not comparison.methods:
        return None
    weights = dict(even_first(comparison.weights))
    first = _first_seed(evidence)
    runs = [
        first[method.method, tuple(sorted(weights.items()))]
        for method in comparison.methods
    ]  # fmt: skip
    return Case(weights_text(weights), differing(_means(evidence, scores, runs), most=2), runs)


def across_weights(evidence: Evidence, scores: Scores) -> list[Case]:
    """Each method that has several weightings, at some of them by the weight of the first objective."""
    first, name = _first_seed(evidence), next(iter(evidence.runs[0].weights))
    found = []
    for method in dict.fromkeys(run.method for run in evidence.runs):
        runs = sorted(
            (place for (own, _), place in first.items() if own == method), key=lambda place: -evidence.runs[place].weights[name]
        )  # fmt: skip
        runs = [runs[place] for place in thinned(len(runs), WIDEST)]
        if len(runs) > 1:
            found.append(Case(method, differing(_means(evidence, scores, runs), most=1), runs))
    return found


def differing(means: Array, most: int) -> list[int]:
    """Places of the ``most`` prompts at which rows of (rows, prompts) are furthest apart, then one of median distance.

    >>> differing(np.array([[0.0, 0.0, 0.0], [1.0, 9.0, 3.0]]), most=1)
    [1, 2]
    """
    apart = np.ptp(means, axis=0)
    known = np.flatnonzero(np.isfinite(apart))
    order = known[np.argsort(-apart[known], kind="stable")]
    return list(dict.fromkeys([*order[:most].tolist(), *order[len(order) // 2 :][:1].tolist()]))


def fitting(evidence: Evidence, scores: Scores, cases: Sequence[Case], room: int) -> Markup:
    """JSON of :func:`texts` in the largest of ``SIZES`` that takes at most ``room`` and ``TEXTS`` bytes, else in the smallest."""
    for count, length in SIZES:
        found = as_json(texts(evidence, scores, cases, count, length))
        if len(found.encode()) <= min(room, TEXTS):
            break
    return found


def texts(evidence: Evidence, scores: Scores, cases: Sequence[Case], count: int, length: int) -> dict[str, Any]:
    """All that the page's panels show: prompts, and for every run its responses and scores at ``count`` prompts and those of cases."""
    panel = thinned(len(scores.prompts), count)
    wanted = {place: set(panel) for place in range(len(evidence.runs))}
    for case in cases:
        for run in case.runs:
            wanted[run] |= set(case.prompts)
    used = sorted(set(panel).union(*(case.prompts for case in cases)))
    columns = [
        {"view": one.view.name, "objective": name, "place": scores.columns.index(column)}
        for one in evidence.comparisons
        for name, column in one.view.columns.items()
    ]
    prompts = {
        place: {
            "text": _cut(scores.prompts[place], min(LONGEST, 4 * length)), "reference": _cut(scores.reference.responses[place], length),
            "scores": _row(scores.reference.raw[place]),
        }
        for place in used
    }  # fmt: skip
    answers = [
        {place: [_cut(one.responses[place], length), _row(one.raw[place])] for place in sorted(wanted[run])}
        for run, one in enumerate(scores.aligned)
    ]
    return {"columns": columns, "panel": panel, "prompts": prompts, "answers": answers}


def points(evidence: Evidence) -> list[dict[str, Any]]:
    """Every policy, by method and weights, and its runs."""
    return [
        {"method": method, "weights": weights_text(evidence.runs[places[0]].weights), "runs": places, "seeds": [evidence.runs[place].seed for place in places]}
        for (method, _), places in grouped(evidence).items()
    ]  # fmt: skip


def _first_seed(evidence: Evidence) -> dict[tuple[str, tuple[tuple[str, float], ...]], int]:
    return {
        (method, tuple(sorted(evidence.runs[places[0]].weights.items()))): places[0]
        for (method, _), places in grouped(evidence).items()
    }


def _means(evidence: Evidence, scores: Scores, runs: Sequence[int]) -> Array:
    """Mean standardised score over the objectives, (runs, prompts)."""
    found: Array = scores.stack(runs, list(evidence.main.view.columns.values()), "standardised").mean(-1)
    return found


def _cut(text: str, most: int) -> str:
    text = text.strip() or "(empty)"
    return text if len(text) <= most else text[:most].rstrip() + " … (cut)"


def _row(values: Array) -> list[str]:
    return [number(float(value)) for value in values]
