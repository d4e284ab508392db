"""Figures as PNG and SVG, in colours that colour-blind readers can distinguish (Okabe and Ito 2008)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lenity.errors import ConfigError

COLOURS = {
    "linear": "#222222",
    "mgda": "#8c8c8c",
    "pcgrad": "#CC79A7",
    "sigmoid": "#D55E00",
    "centered": "#0072B2",
    "net": "#009E73",
    "entropic": "#E69F00",
}


def new_figure(width: float, height: float) -> Any:
    """An empty matplotlib figure of ``width`` by ``height`` inches.

    Raises:
        ConfigError: matplotlib is missing.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError(
            "the lab draws with matplotlib, which is not installed.", "Install it: pip install 'lenity[docs]'."
        ) from error
    mpl.rcParams.update({
        "font.size": 9, "svg.hashsalt": "lenity", "svg.fonttype": "none", "axes.titlesize": 10,
        "axes.spines.top": False, "axes.spines.right": False,
    })  # fmt: skip
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def save_figure(figure: Any, stem: Path) -> list[Path]:
    """The paths of ``<stem>.png`` and ``<stem>.svg``, after they were written."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    figure.savefig(files[0], dpi=180, metadata={"Software": None})
    figure.savefig(files[1], metadata={"Date": None})
    return files
