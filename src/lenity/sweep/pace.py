"""The time that the rest of a sweep will take, from its runs that are done or running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from lenity.runs.config import RunConfig
from lenity.sweep.state import method_of

DERIVED = 0.1  # assumed time of a run made from other runs, which is only evaluated, relative to a run that trains


@dataclass(frozen=True)
class Underway:
    """A running run: seconds since it was submitted, and the share of its work done since then."""

    config: RunConfig
    seconds: float
    share: float


class Pace:
    """The mean time of a run per method, updated as runs end."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._seen: dict[tuple[str, bool], list[float]] = {}

    def learn(self, config: RunConfig, seconds: float) -> None:
        """Record the ``seconds`` of a run that did all its work in one go."""
        self._seen.setdefault(_kind(config), []).append(seconds)

    def left(self, waiting: Sequence[RunConfig], running: Sequence[Underway]) -> float | None:
        """The seconds until all runs are done; None until one run has ended or made progress."""
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
