"""The table of a sweep's runs, shown before it starts: one row per method and seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.runs.config import RunConfig
from lenity.sweep.state import done, method_of

SHOWN = 3  # maximum of points listed per row


def table(configs: Sequence[RunConfig]) -> Any:
    """The number of runs per method and seed: in all, those that train, those that take an adapter (from where), those done."""
    from rich.table import Table

    result = Table(box=None, padding=(0, 2, 0, 0))
    points = "/".join(configs[0].rewards)
    for name in ("method", "seed", "runs", "train", "taken from", "done", points):
        result.add_column(name, justify="right" if name in {"seed", "runs", "train", "done"} else "left")
    for method, seed in dict.fromkeys((method_of(config), config.seed) for config in configs):
        runs = [config for config in configs if (method_of(config), config.seed) == (method, seed)]
        trained = sum(not config.method.sources for config in runs)
        ready = sum(map(done, runs))
        counts = (str(len(runs)), str(trained or "–"), _sources(runs), str(ready or "–"))
        result.add_row(method, str(seed), *counts, _points(runs))
    return result


def _sources(runs: Sequence[RunConfig]) -> str:
    """The methods whose adapters runs take, each with the number of such runs."""
    counts = Counter(Path(config.method.sources[0]).parent.name for config in runs if config.method.sources)
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "–"


def _points(runs: Sequence[RunConfig]) -> str:
    """The weights of each point, in the order of the objectives; the first and last point if there are many."""
    weights = sorted((tuple(config.weights.values()) for config in runs), reverse=True)
    points = ["/".join(f"{weight:.3g}" for weight in point) for point in weights]
    return " ".join(points) if len(points) <= SHOWN else f"{points[0]} … {points[-1]}"
