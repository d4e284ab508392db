"""What the trainings behind a method's front took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from lenity.report.collect import Run
from lenity.run_folder import RunFolder


@dataclass(frozen=True)
class Cost:
    """What a method's runs took, one seed; ``runs`` trained, each leaves an adapter."""

    runs: float
    tokens: float
    reward_calls: float
    forward_passes: float
    backward_passes: float
    seconds: float


def cost(runs: Sequence[Run]) -> Cost:
    """Of the trainings behind ``runs``, each counted once, divided by the number of seeds."""
    folders: dict[Path, RunFolder] = {}
    for run in runs:
        own = RunFolder(run.path)
        for folder in [own] if run.metrics else [RunFolder(source) for source in _sources(run)]:
            folders[folder.path] = folder
    rows = [row for folder in folders.values() for row in folder.metrics()]
    found = {field.name: sum(float(row.get(field.name, 0)) for row in rows) for field in fields(Cost)[1:-1]}
    seconds = sum(sum(row.get("seconds", {}).values()) for row in rows)
    seeds = len({run.seed for run in runs})
    return Cost(
        **{name: total / seeds for name, total in found.items()}, runs=len(folders) / seeds, seconds=seconds / seeds
    )


def _sources(run: Run) -> tuple[str, ...]:
    from lenity.aggregation.base import RULES
    from lenity.config.base import parse_member

    sources: tuple[str, ...] = parse_member(run.config.get("method", "linear"), RULES, "name").sources
    return sources
