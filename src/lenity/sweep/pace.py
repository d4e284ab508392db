"""How long the rest of a sweep will take, from its runs that are done or under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lenity.runs.config import RunConfig
from lenity.sweep.state import method_of

DERIVED = 0.1  # of a training run, until one was seen: what is made from other runs is only evaluated


@dataclass(frozen=True)
class Underway:
    """A run that goes on: seconds since it was given out, and the share of its work done since then."""

    config: RunConfig
    seconds: float
    share: float


class Pace:
    """Learns what a run of each method takes."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._seen: dict[tuple[str, bool], list[float]] = {}

    def learn(self, config: RunConfig, seconds: float) -> None:
        """From a run that did all its work."""
        self._seen.setdefault(_kind(config), []).append(seconds)

    def left(self, waiting: Sequence[RunConfig], running: Sequence[Underway]) -> float | None:
        """Seconds until all is done; None while nothing is known."""
        seen = {kind: fmean(seconds) for kind, seconds in self._seen.items()}
        for run in running:
            if run.share > 0:
                seen.setdefault(_kind(run.config), run.seconds / run.share)
        if not seen:
            return None
        rest = [
            run.seconds * (1 / run.share - 1) if run.share > 0 else max(0.0, _expected(run.config, seen) - run.seconds)
            for run in running
        ]
        later = sum(_expected(config, seen) for config in waiting)
        return max((sum(rest) + later) / self._jobs, *rest, 0.0)


def _kind(config: RunConfig) -> tuple[str, bool]:
    return method_of(config), bool(config.method.sources)


def _expected(config: RunConfig, seen: dict[tuple[str, bool], float]) -> float:
    kind = _kind(config)
    alike = [seconds for (_, derived), seconds in seen.items() if derived == kind[1]]
    if kind in seen or alike:
        return seen.get(kind) or fmean(alike)
    return fmean(seen.values()) * (DERIVED if kind[1] else 1 / DERIVED)
