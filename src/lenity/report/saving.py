"""Figures as files, through kaleido and a Chrome of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.errors import ConfigError
from lenity.report.panels.base import Choice, Figure, slug
from lenity.report.panels.looks import SURFACE

FORMATS = ("png", "pdf", "svg", "jpg", "webp")
WIDTH = 720


def save(figures: Sequence[Figure], folder: Path, formats: Sequence[str]) -> list[Path]:
    """One file a figure and format; of figures that the reader chooses a method in, one for each method.

    Raises:
        ConfigError: an unknown format, or kaleido or a Chrome is missing.
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
    """A figure that stands alone: with title and legend, on white."""
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
    """In one browser; without MathJax, which kaleido would fetch from the network."""
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
            "figures are saved through a Chrome or Chromium, and none was found or it did not start.",
            "Install one, or name it in the environment variable BROWSER_PATH; report.html needs none.",
        ) from error
