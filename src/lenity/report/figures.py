"""All figures of a report, drawn once from the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lenity.report.evidence import Evidence
from lenity.report.panels.bars import bars
from lenity.report.panels.base import Figure
from lenity.report.panels.curves import smooth
from lenity.report.panels.fronts import fronts
from lenity.report.panels.looks import COLOURS, looks
from lenity.report.panels.ridges import ridges
from lenity.report.panels.space import space
from lenity.report.panels.training import negotiation, training
from lenity.report.saving import save
from lenity.report.scores import Scores
from lenity.report.spots import Spot, spots, start

__all__ = ["COLOURS", "Drawn", "draw", "save_all", "smooth"]


@dataclass(frozen=True)
class Drawn:
    """Figures in the order of the page, and the policies as points by view."""

    figures: list[Figure]
    spots: dict[str, list[Spot]]


def draw(evidence: Evidence, scores: Scores) -> Drawn:
    """Every figure of every section and view."""
    by_view = {one.view.name: spots(evidence, one, scores) for one in evidence.comparisons}
    styles = looks(run.method for run in evidence.runs)
    found: list[Figure] = []
    for one in evidence.comparisons:
        view, before = one.view, start(evidence, one, scores)
        scaled = spots(evidence, one, scores, "standardised") if len(view.columns) > 3 else []
        found += space(evidence, view, by_view[view.name], before, scaled)
        found += fronts(evidence, view, by_view[view.name], before)
    for one in evidence.comparisons:
        for place, part in enumerate(one.all):
            found += bars(part, styles, metrics_section(place))
    found += [*training(evidence), *negotiation(evidence)]
    for one in evidence.comparisons:
        found += ridges(evidence, one.view, by_view[one.view.name], scores)
    return Drawn(_distinct(found), by_view)


def metrics_section(place: int) -> str:
    """Where the bars of a view's comparison are shown, by its place among those of the view."""
    return f"metrics-{place + 1}" if place else "metrics"


def _distinct(figures: Sequence[Figure]) -> list[Figure]:
    """Figures by unlike names: the page and the files find them by name, and objectives may differ in signs alone."""
    seen: Counter[str] = Counter()
    found = []
    for figure in figures:
        seen[figure.name] += 1
        again = seen[figure.name]
        found.append(replace(figure, name=f"{figure.name}-{again}") if again > 1 else figure)
    return found


def save_all(evidence: Evidence, folder: Path, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write every figure into ``folder``, in the state in which the page opens, distributions for every method; the paths.

    Raises:
        ConfigError: an unknown format, or kaleido or a Chrome is missing.
    """
    return save(draw(evidence, Scores.of(evidence)).figures, folder, formats)
