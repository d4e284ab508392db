"""All figures of a report: drawn once from the evidence, and saved as files through kaleido and Chrome or Chromium."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lenity.errors import ConfigError
from lenity.report.evidence import Evidence
from lenity.report.panels.bars import bars
from lenity.report.panels.base import Choice, Figure, slug
from lenity.report.panels.curves import negotiation, smooth, training
from lenity.report.panels.fronts import fronts
from lenity.report.panels.looks import COLOURS, SURFACE, looks
from lenity.report.panels.ridges import ridges
from lenity.report.panels.space import space
from lenity.report.scores import Scores
from lenity.report.spots import Spot, spots, start

__all__ = ["COLOURS", "Drawn", "draw", "save_all", "smooth"]

FORMATS = ("png", "pdf", "svg", "jpg", "webp")
WIDTH = 720


@dataclass(frozen=True)
class Drawn:
    """The figures in the order of the page, and the policies as points, by view."""

    figures: list[Figure]
    spots: dict[str, list[Spot]]


def draw(evidence: Evidence, scores: Scores) -> Drawn:
    """The figures of all sections and views."""
    by_view = {one.view.name: spots(evidence, one, scores) for one in evidence.comparisons}
    styles = looks(run.method for run in evidence.runs)
    figures: list[Figure] = []
    for one in evidence.comparisons:
        view, before = one.view, start(evidence, one, scores)
        scaled = spots(evidence, one, scores, "standardised") if len(view.columns) > 3 else []
        figures += space(evidence, view, by_view[view.name], before, scaled)
        figures += fronts(evidence, view, by_view[view.name], before)
    for one in evidence.comparisons:
        for place, part in enumerate(one.all):
            figures += bars(part, styles, metrics_section(place))
    figures += [*training(evidence), *negotiation(evidence)]
    for one in evidence.comparisons:
        figures += ridges(evidence, one.view, by_view[one.view.name], scores)
    return Drawn(_unique(figures), by_view)


def metrics_section(place: int) -> str:
    """The section with the bars of a view's comparison, by its position among those of the view."""
    return f"metrics-{place + 1}" if place else "metrics"


def _unique(figures: Sequence[Figure]) -> list[Figure]:
    """``figures`` with unique names, by which page and files find them; names of objectives may differ only in punctuation."""
    seen: Counter[str] = Counter()
    unique = []
    for figure in figures:
        seen[figure.name] += 1
        again = seen[figure.name]
        unique.append(replace(figure, name=f"{figure.name}-{again}") if again > 1 else figure)
    return unique


def save_all(evidence: Evidence, folder: Path, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """The paths of all figures, written into ``folder`` in their first state, distributions for every method.

    Raises:
        ConfigError: a format is unknown, or kaleido or a browser is not installed.
    """
    return save(draw(evidence, Scores.of(evidence)).figures, folder, formats)


def save(figures: Sequence[Figure], folder: Path, formats: Sequence[str]) -> list[Path]:
    """The paths of the files, one per figure and format; figures with a choice of method have one per method.

    Raises:
        ConfigError: a format is unknown, or kaleido or a browser is not installed.
    """
    if unknown := sorted(set(formats) - set(FORMATS)):
        raise ConfigError(f"figures cannot be written as {', '.join(unknown)}.", f"Use {', '.join(FORMATS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [(figure, choice) for figure in figures for choice in _kept(figure)]
    jobs: list[dict[str, Any]] = [
        {"fig": plain(figure, choice), "path": folder / f"{_stem(figure, choice)}.{form}",
         "opts": {"format": form, "width": WIDTH, "height": _height(figure), "scale": 2 if form != "pdf" else 1}}
        for figure, choice in parts
        for form in formats
    ]  # fmt: skip
    _write(jobs)
    return [job["path"] for job in jobs]


def plain(figure: Figure, choice: Choice) -> dict[str, Any]:
    """A figure for a file of its own: with title and legend, on white."""
    title = figure.title + (f" · {choice.label}" if choice.label and choice.label != figure.title else "")
    where = f"<br><span style='font-size:12px'>{figure.view}</span>" if figure.view else ""
    layout = {
        **choice.layout, "title": {"text": title + where, "x": 0.02, "xanchor": "left", "font": {"size": 16}},
        "paper_bgcolor": SURFACE, "plot_bgcolor": SURFACE, "showlegend": True,
        "margin": {**choice.layout["margin"], "t": 64}, "legend": {"orientation": "h", "y": -0.18, "font": {"size": 12}},
    }  # fmt: skip
    return {"data": choice.data, "layout": layout}


def _kept(figure: Figure) -> list[Choice]:
    return figure.choices if figure.group in {"method", "pair"} else figure.choices[:1]


def _stem(figure: Figure, choice: Choice) -> str:
    return slug(figure.name, choice.label) if figure.group in {"method", "pair"} else figure.name


def _height(figure: Figure) -> int:
    return figure.height + 130


def _write(jobs: list[dict[str, Any]]) -> None:
    """Write the files in one browser, without MathJax, which kaleido would fetch from the network."""
    try:
        import kaleido
        from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError
    except ImportError as error:
        raise ConfigError(
            "figures are saved through kaleido, which is not installed.", "Install it: pip install 'lenity[figures]'."
        ) from error
    try:
        kaleido.write_fig_from_object_sync(jobs, kopts={"mathjax": False})
    except (BrowserClosedError, BrowserFailedError, ChromeNotFoundError) as error:
        raise ConfigError(
            "figures are saved through Chrome or Chromium, and none was found or it did not start.",
            "Install one, or name it in the environment variable BROWSER_PATH; report.html needs none.",
        ) from error
