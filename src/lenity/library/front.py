"""The front of a sweep: its table, plot and hypervolume, and the choice of a policy under constraints."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.suggest import did_you_mean
from lenity.errors import CheckpointError, ConfigError
from lenity.library.messages import naming_arguments
from lenity.library.run import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from lenity.library.picture import Picture
    from lenity.pareto.confidence import Interval
    from lenity.report.evidence import Evidence
    from lenity.report.spots import Spot
    from lenity.rewards.given import Given

_CONSTRAINT = re.compile(
    r"\s*(?P<name>.+?)\s*(?P<sign>>=|<=|>|<)\s*(?P<bound>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*"
)


@dataclass(frozen=True)
class Pick:
    """The policy that :meth:`Front.pick` chose.

    Attributes:
        run: run of the policy.
        method: method that trained it.
        weights: preference weights that it was trained at.
        scores: mean raw score on the held-out prompts per objective, with its 95 % interval.
        certain: whether each constraint also holds at the unfavourable end of the score's interval.
    """

    run: Run
    method: str
    weights: dict[str, float]
    scores: dict[str, Interval]
    certain: bool

    def __repr__(self) -> str:
        scores = ", ".join(f"{name} {interval}" for name, interval in self.scores.items())
        doubt = "" if self.certain else "; a constraint is within its interval"
        return f"Pick({self.method} at {self.weights}: {scores}{doubt}; {str(self.run.path)!r})"


class Front:
    """The evaluated runs of a sweep, as returned by ``lenity.sweep`` and :func:`load_front`.

    Scores are those of the held-out rewards if these measure every objective, else those of the rewards trained on.

    Attributes:
        path: folder of the sweep.
    """

    def __init__(self, path: str | os.PathLike[str], functions: Mapping[str, Given] | None = None) -> None:
        self.path = Path(path)
        self._functions = dict(functions or {})

    @property
    def runs(self) -> list[Run]:
        """The runs, in the order of the plan."""
        return [Run(run.path, self._functions) for run in self._evidence.runs]

    def table(self) -> pd.DataFrame:
        """A table with one row per method and weighting, after a first row for the policy before alignment.

        Columns: ``method``, the weights as ``weight/helpful``, ``seeds``, and per objective the mean raw score over prompts and seeds,
        ``helpful``, with its 95 % interval, ``helpful_low`` and ``helpful_high``.
        """
        import pandas as pd

        start, spots = self._spots
        return pd.DataFrame([_row(spot, self._objectives) for spot in (start, *spots)])

    def plot(self) -> Picture:
        """A plot of the front per pair of objectives; a notebook displays it, and ``.save("front.svg")`` writes it.

        Raises:
            ConfigError: matplotlib is missing.
        """
        from lenity.library.picture import draw

        return draw(*self._spots, self._objectives)

    def hypervolume(self) -> pd.DataFrame:
        """A table by method: the hypervolume of its standardised mean scores above the protocol's reference point, with its 95 % interval.

        Only weights and seeds that all methods share are used.
        """
        import pandas as pd

        rows = []
        for summary in self._evidence.main.everyone:
            volume = summary.metrics["hypervolume"]
            rows.append({"method": summary.method, "hypervolume": volume.value, "low": volume.low, "high": volume.high})
        return pd.DataFrame(rows).set_index("method")

    def pick(self, *constraints: str, maximise: str) -> Pick:
        """The policy with the highest mean score of the objective ``maximise`` among those that satisfy ``constraints``.

        Args:
            constraints: constraints on mean raw scores, such as ``"harmless >= 0.2"``; several may be joined by ``and``.
            maximise: name of an objective.

        Raises:
            ConfigError: an objective is unknown, a constraint cannot be parsed, or no run satisfies all constraints.
        """
        with naming_arguments():
            self._known(maximise, "maximise")
            wanted = [self._read(part) for text in constraints for part in re.split(r"\band\b", str(text))]
            candidates = [self._candidate(run, wanted) for run in self._evidence.runs]
            fitting = [
                pick
                for pick in candidates
                if all(_holds(pick.scores[name].value, sign, bound) for name, sign, bound in wanted)
            ]
            if not fitting:
                raise ConfigError(
                    f"none of the {len(candidates)} runs has {' and '.join(f'{n} {s} {b:g}' for n, s, b in wanted)}; the best means are "
                    f"{self._best_means(candidates)}.",
                    "Relax the constraints, or sweep more points.",
                )
            return max(fitting, key=lambda pick: pick.scores[maximise].value)

    def report(self) -> Path:
        """The path of ``report.html``, after it was written to the folder: fronts, metrics with intervals and samples on one offline page."""
        from lenity.report.page import write_page

        with naming_arguments():
            return write_page(self._evidence)

    @cached_property
    def _evidence(self) -> Evidence:
        from lenity.report.evidence import gather

        return gather(self.path)

    @property
    def _objectives(self) -> list[str]:
        return list(self._evidence.main.view.columns)

    @cached_property
    def _spots(self) -> tuple[Spot, list[Spot]]:
        from lenity.report.scores import Scores
        from lenity.report.spots import spots, start

        scores = Scores.of(self._evidence)
        return start(self._evidence, self._evidence.main, scores), spots(self._evidence, self._evidence.main, scores)

    def _known(self, name: str, where: str) -> str:
        if name not in self._objectives:
            raise ConfigError(
                f"{where} names '{name}'.",
                did_you_mean(name, self._objectives, f"The objectives are {self._objectives}."),
            )
        return name

    def _read(self, text: str) -> tuple[str, str, float]:
        match = _CONSTRAINT.fullmatch(text)
        if match is None:
            raise ConfigError(f"the constraint {text.strip()!r} cannot be read.", "Write it as 'harmless >= 0.2'.")
        return self._known(match["name"], f"the constraint {text.strip()!r}"), match["sign"], float(match["bound"])

    def _candidate(self, run: Any, wanted: list[tuple[str, str, float]]) -> Pick:
        from lenity.pareto import confidence

        columns = self._evidence.main.view.columns
        values = run.scores(list(columns.values()), column="raw")
        scores = {name: confidence.mean(values[:, k]) for k, name in enumerate(columns)}
        certain = all(_holds(_worst(scores[name], sign), sign, bound) for name, sign, bound in wanted)
        return Pick(Run(run.path, self._functions), run.method, run.weights, scores, certain)

    def _best_means(self, candidates: list[Pick]) -> str:
        best = {name: max(pick.scores[name].value for pick in candidates) for name in self._objectives}
        return ", ".join(f"{name} {value:.3g}" for name, value in best.items())

    def __repr__(self) -> str:
        methods = sorted({run.method for run in self._evidence.runs})
        return f"Front({str(self.path)!r}, {len(self._evidence.runs)} runs of {', '.join(methods)})"


def load_front(path: str | os.PathLike[str]) -> Front:
    """The front in a folder that ``lenity.sweep`` or ``lenity sweep`` wrote, or that holds evaluated runs.

    Raises:
        CheckpointError: the folder has no evaluated run.
    """
    from lenity.evaluation.places import evaluated

    if not isinstance(path, str | os.PathLike) or not Path(path).is_dir():
        raise CheckpointError(f"'{path}' is not a folder.", "Check the path.")
    with naming_arguments():
        evaluated(Path(path))
    return Front(path)


def _row(spot: Spot, objectives: list[str]) -> dict[str, Any]:
    weights = {f"weight/{name}": spot.weights.get(name) for name in objectives}
    row: dict[str, Any] = {"method": spot.method, **weights, "seeds": len(spot.seeds)}
    for k, name in enumerate(objectives):
        interval = spot.interval(k)
        row |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return row


def _holds(value: float, sign: str, bound: float) -> bool:
    return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[sign]


def _worst(interval: Interval, sign: str) -> float:
    return interval.low if sign.startswith(">") else interval.high
