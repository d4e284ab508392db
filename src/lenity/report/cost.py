"""The cost of the trainings behind a method's front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lenity.report.collect import Run
from lenity.runs.folder import RunFolder


@dataclass(frozen=True)
class Cost:
    """The cost of a method's runs per seed; ``runs`` is the number of trainings, each of which stores one adapter."""

    runs: float
    tokens: float
    reward_calls: float
    forward_passes: float
    backward_passes: float
    seconds: float


def cost(runs: Sequence[Run]) -> Cost:
    """The cost of the trainings behind ``runs``, each counted once, divided by the number of seeds.

    The runs that a run was built from are looked for next to it first, so that moved folders can be read.
    """
    trainings: dict[Path, list[dict[str, Any]]] = {}
    for run in runs:
        for source in [run.path] if run.metrics else _sources(run):
            if source.resolve() not in trainings:
                trainings[source.resolve()] = RunFolder(source).metrics()
    rows = [row for metrics in trainings.values() for row in metrics]
    totals = {field.name: sum(float(row.get(field.name, 0)) for row in rows) for field in fields(Cost)[1:-1]}
    seconds = sum(sum(row.get("seconds", {}).values()) for row in rows)
    seeds = len({run.seed for run in runs})
    return Cost(
        **{name: total / seeds for name, total in totals.items()}, runs=len(trainings) / seeds, seconds=seconds / seeds
    )


def _sources(run: Run) -> list[Path]:
    from lenity.config.base import parse_member
    from lenity.runs.method import METHODS

    beside = run.path.absolute().parents[1]
    places = map(Path, parse_member(run.config.get("method", "linear"), METHODS).sources)
    return [own if (own := beside.joinpath(*place.parts[-2:])).is_dir() else place for place in places]
