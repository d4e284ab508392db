"""The front that a sweep found: its table, picture, measures, and the policy that serves a purpose best."""

from __future__ import annotations

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
    import os
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
        run: its run.
        method: that it was trained by.
        weights: at which.
        scores: mean raw score on the held-out prompts by objective, with its 95 % interval.
        certain: whether each constraint holds at the unfavourable end of its interval too.
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
    """The evaluated runs of a sweep: what ``lenity.sweep`` returns and :func:`load_front` reads.

    Scores are those of the held-out rewards where these measure every objective, else those of the rewards trained on.

    Attributes:
        path: its folder.
    """

    def __init__(self, path: str | os.PathLike[str], functions: Mapping[str, Given] | None = None) -> None:
        self.path = Path(path)
        self._functions = dict(functions or {})

    @property
    def runs(self) -> list[Run]:
        """The runs, in the order of the plan."""
        return [Run(run.path, self._functions) for run in self._evidence.runs]

    def table(self) -> pd.DataFrame:
        """One row per method and weighting, below the policy before alignment: mean raw score per objective with its 95 % interval.

        Columns: ``method``, the weights as ``weight/helpful``, ``seeds``, and for each objective ``helpful``, ``helpful_low`` and
        ``helpful_high``, over prompts and seeds.
        """
        import pandas as pd

        start, spots = self._spots
        return pd.DataFrame([_row(spot, self._objectives) for spot in (start, *spots)])

    def plot(self) -> Picture:
        """The front in each pair of objectives; a notebook shows it, and ``.save("front.svg")`` writes it.

        Raises:
            ConfigError: matplotlib is missing.
        """
        from lenity.library.picture import draw

        return draw(*self._spots, self._objectives)

    def hypervolume(self) -> pd.DataFrame:
        """By method: the hypervolume of its standardised mean scores above the protocol's reference point, with its 95 % interval.

        Methods are compared at the weights and seeds that they share.
        """
        import pandas as pd

        rows = []
        for summary in self._evidence.main.everyone:
            found = summary.metrics["hypervolume"]
            rows.append({"method": summary.method, "hypervolume": found.value, "low": found.low, "high": found.high})
        return pd.DataFrame(rows).set_index("method")

    def pick(self, *constraints: str, maximise: str) -> Pick:
        """The run with the greatest mean score of objective ``maximise`` among those that keep to ``constraints``.

        Args:
            constraints: such as ``"harmless >= 0.2"``, on mean raw scores; several may be joined by ``and``.
            maximise: an objective.

        Raises:
            ConfigError: an objective is not known, a constraint cannot be read, or no run keeps to all of them.
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
                    "Ask for less, or sweep more points.",
                )
            return max(fitting, key=lambda pick: pick.scores[maximise].value)

    def report(self) -> Path:
        """The path of ``report.html``, written into the folder: fronts, measures with intervals, samples, on one page without network."""
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
        found = _CONSTRAINT.fullmatch(text)
        if found is None:
            raise ConfigError(f"the constraint {text.strip()!r} cannot be read.", "Write it as 'harmless >= 0.2'.")
        return self._known(found["name"], f"the constraint {text.strip()!r}"), found["sign"], float(found["bound"])

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
        CheckpointError: there is no evaluated run in it.
    """
    from lenity.evaluation.places import evaluated

    if not Path(path).is_dir():
        raise CheckpointError(f"'{path}' is no folder.", "Check the path.")
    with naming_arguments():
        evaluated(Path(path))
    return Front(path)


def _row(spot: Spot, objectives: list[str]) -> dict[str, Any]:
    weights = {f"weight/{name}": spot.weights.get(name) for name in objectives}
    row: dict[str, Any] = {"method": spot.method, **weights, "seeds": len(spot.seeds)}
    for k, name in enumerate(objectives):
        found = spot.interval(k)
        row |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
    return row


def _holds(value: float, sign: str, bound: float) -> bool:
    return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[sign]


def _worst(interval: Interval, sign: str) -> float:
    return interval.low if sign.startswith(">") else interval.high
