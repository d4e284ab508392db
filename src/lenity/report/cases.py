"""The prompts and responses that the page shows, chosen by fixed rules and cut to fit."""

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
TEXTS = 1_500_000  # bytes of all texts in a page, so that it opens quickly
# prompts in the panel of a policy, and characters of a response: the first pair with which the texts fit is used
SIZES = (
    *((8, length) for length in (1500, 1000, 700, 450, 300, 200)), (4, 200), (2, 200), (2, 100), (1, 50), (1, 20)
)  # fmt: skip
LONGEST = 1500  # characters of a prompt
WIDEST = 9  # weightings of one method side by side
RULES = {
    "methods": "where the methods' mean scores differ most, second most, and by the median",
    "weights": "where this method's mean scores at its weights differ most, and by the median",
}


@dataclass(frozen=True)
class Case:
    """Positions of prompts, and of the runs whose responses are shown side by side."""

    label: str
    prompts: list[int]
    runs: list[int]


def across_methods(evidence: Evidence, scores: Scores) -> Case | None:
    """The case of all methods at the most even weights that they share; None without a comparison."""
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
    """One case per method with several weightings, at some of these, in order of the first objective's weight."""
    first, name = _first_seed(evidence), next(iter(evidence.runs[0].weights))
    cases = []
    for method in dict.fromkeys(run.method for run in evidence.runs):
        runs = sorted(
            (place for (own, _), place in first.items() if own == method), key=lambda place: -evidence.runs[place].weights[name]
        )  # fmt: skip
        runs = [runs[place] for place in thinned(len(runs), WIDEST)]
        if len(runs) > 1:
            cases.append(Case(method, differing(_means(evidence, scores, runs), most=1), runs))
    return cases


def differing(means: Array, most: int) -> list[int]:
    """Positions of the ``most`` prompts at which the rows of ``means`` (rows, prompts) differ most, then one with the median difference.

    >>> differing(np.array([[0.0, 0.0, 0.0], [1.0, 9.0, 3.0]]), most=1)
    [1, 2]
    """
    apart = np.ptp(means, axis=0)
    finite = np.flatnonzero(np.isfinite(apart))
    order = finite[np.argsort(-apart[finite], kind="stable")]
    return list(dict.fromkeys([*order[:most].tolist(), *order[len(order) // 2 :][:1].tolist()]))


def fitting(evidence: Evidence, scores: Scores, cases: Sequence[Case], room: int) -> Markup:
    """The JSON of :func:`texts` in the largest of ``SIZES`` with at most ``room`` and ``TEXTS`` bytes, else in the smallest."""
    for count, length in SIZES:
        data = as_json(texts(evidence, scores, cases, count, length))
        if len(data.encode()) <= min(room, TEXTS):
            break
    return data


def texts(evidence: Evidence, scores: Scores, cases: Sequence[Case], count: int, length: int) -> dict[str, Any]:
    """The texts of the page: prompts, and per run the responses and scores at ``count`` prompts and at those of its cases."""
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
    """Every policy, by method and weights, with the positions and seeds of its runs."""
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
    means: Array = scores.stack(runs, list(evidence.main.view.columns.values()), "standardised").mean(-1)
    return means


def _cut(text: str, most: int) -> str:
    text = text.strip() or "(empty)"
    return text if len(text) <= most else text[:most].rstrip() + " … (cut)"


def _row(values: Array) -> list[str]:
    return [number(float(value)) for value in values]
