"""The evaluated runs in run and sweep folders, and the views in which they are scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from lenity.errors import CheckpointError
from lenity.evaluation import protocol
from lenity.evaluation.places import FILE, evaluated, of_iteration
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.table import paired
from lenity.pareto.weights import label
from lenity.report import judge, labels, places, records
from lenity.report.judge import JUDGE
from lenity.runs.folder import SETTINGS, RunFolder

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """One evaluated run.

    ``method`` is the name under which it is compared, ``differs`` the settings in which it differs from other runs of its label or
    method. ``made_for`` names the methods that need the run, where the sweep did not ask for the run itself; ``recorded`` is False
    where this is inferred and not in the sweep's record.
    """

    path: Path
    method: str
    weights: dict[str, float]
    seed: int
    frame: pd.DataFrame
    metrics: list[dict[str, Any]]
    config: dict[str, Any]
    protocol: Protocol | None = None
    differs: str = ""
    made_for: tuple[str, ...] = ()
    recorded: bool = True
    iteration: int | None = None  # of the evaluated checkpoint; None for a finished run
    checkpoint: Path | None = None  # folder of the evaluation, where that is not the run's own

    @property
    def name(self) -> str:
        """Method and weights, as a heading."""
        return f"{self.method} · {label(self.weights).replace('_', ' ')}"

    @property
    def place(self) -> Path:
        """The folder of its evaluation."""
        return self.checkpoint or self.path

    @cached_property
    def columns(self) -> set[str]:
        """Names of the rewards, and judge's objectives, that scored its responses."""
        return set(self.frame["objective"])

    @property
    def held_out(self) -> dict[str, str | None]:
        """The trained objective that each held-out reward measures, None where its settings name none."""
        settings = self.config.get("held_out_rewards") or {}
        return {str(name): spec.get("measures") for name, spec in settings.items()}

    def scores(self, columns: Sequence[str], policy: str = "aligned", column: str = "standardised") -> Array:
        """The scores of ``policy``, (prompts, K), in the order of prompt ids."""
        key = (*columns, policy, column)
        if key not in self._scores:
            self._scores[key] = paired(self.frame, policy, list(columns), column)[1]
        return self._scores[key]

    @cached_property
    def _scores(self) -> dict[tuple[str, ...], Array]:
        """Cache of :meth:`scores`, which every pair of methods reads again."""
        return {}


@dataclass(frozen=True)
class View:
    """One way to score the same responses; ``columns`` maps each objective to the reward that scores it."""

    name: str
    columns: dict[str, str]


@dataclass(frozen=True)
class Best:
    """The exact best front (m, K) in raw scores and the optimum at each of ``weights`` (n, K); known only in the toy world."""

    objectives: list[str]
    weights: list[dict[str, float]]
    at_weights: Array
    front: Array


def read_runs(*folders: str | Path) -> list[Run]:
    """The runs of :func:`read_all` that the sweeps asked for; all of them where they asked for none."""
    runs = read_all(*folders)
    return [run for run in runs if not run.made_for] or runs


def read_all(*folders: str | Path) -> list[Run]:
    """The evaluated runs at or below ``folders``, with the judge's scores, where there are any.

    A run named as a folder counts as asked for. Weights that are equal up to rounding count as equal. The only run of a method
    whose training does not depend on the weights is repeated at all weights.

    Raises:
        CheckpointError: a folder has no evaluated run, or two runs have the same name, weights and seed.
    """
    by_place: dict[Path, Run] = {}
    judged = judge.scores(list(map(Path, folders)))
    for folder in sorted(
        map(Path, folders), key=lambda folder: not _evaluated(folder)
    ):  # runs named themselves come first
        for run in _read_folder(folder, judged):
            by_place.setdefault(run.place.resolve(), run)
    order = {Path(folder).resolve(): i for i, folder in enumerate(folders)}
    runs = sorted(
        by_place.values(),
        key=lambda run: min(
            order.get(part, len(order)) for part in (run.place.resolve(), *run.place.resolve().parents)
        ),
    )
    runs = places.spread(places.matched(_named(runs)), {run.path for run in runs if labels.weight_free(run.config)})
    _refuse_twins(runs)
    return runs


def _read_folder(folder: Path, judged: pd.DataFrame | None) -> list[Run]:
    """The runs in ``folder``, in the order of the plans of its sweeps."""
    where = dict(evaluated(folder))
    sweeps: dict[Path | None, list[Path]] = {}
    for run in where:
        sweeps.setdefault(records.sweep_of(run, folder), []).append(run)
    result = []
    for sweep, runs in sweeps.items():
        known = records.entries(sweep) if sweep else {}
        helpers, order = records.made_for(runs, known) if sweep else {}, {run: i for i, run in enumerate(known)}
        runs.sort(key=lambda run: order.get(run.absolute().parts[-2:], len(order)))
        result += [
            replace(
                _read(run, where[run], judged),
                made_for=helpers.get(run, ()),
                recorded=not sweep or records.noted(run, known) is not None,
            )
            for run in runs
        ]
    return result


def _evaluated(folder: Path) -> bool:
    return (folder / FILE).is_file() and (folder / SETTINGS).is_file()


def _named(runs: Sequence[Run]) -> list[Run]:
    """``runs`` with names that show the settings in which they differ."""
    settings = [labels.settings(run.config, run.path) for run in runs]
    titles, details = labels.names([run.method for run in runs], settings)
    return [
        replace(run, method=title, differs=differs) for run, title, differs in zip(runs, titles, details, strict=True)
    ]


def _refuse_twins(runs: Sequence[Run]) -> None:
    """Raise where two runs have the same name, weights and seed."""
    known: dict[tuple[str, places.Place], Path] = {}
    for run in runs:
        other = known.setdefault((run.method, places.place(run)), run.path)
        if other != run.path:
            raise CheckpointError(
                f"'{other}' and '{run.path}' are both {run.name} with seed {run.seed}.",
                "Move one of them out of the folder, or name only the runs to compare; the two have equal settings.",
            )


def _read(run: Path, place: Path, judged: pd.DataFrame | None) -> Run:
    import pandas as pd

    frame = pd.read_parquet(place / FILE)
    first, config = frame.iloc[0], yaml.safe_load((place / SETTINGS).read_text(encoding="utf-8"))
    iteration = int(first["iteration"]) if "iteration" in frame else None
    name = labels.base(config, str(first["method"])) + of_iteration(iteration, config["iterations"])
    return Run(
        run, name, json.loads(first["weights"]), int(first["seed"]),
        frame if judged is None else judge.with_scores(frame, judged),
        RunFolder(run).metrics()[:iteration],
        config,
        protocol.load(place) if (place / protocol.FILE).is_file() else None,
        iteration=iteration,
        checkpoint=None if iteration is None else place,
    )  # fmt: skip


def views(runs: Sequence[Run]) -> list[View]:
    """The views that all runs have: trained rewards, held-out rewards with one per objective, judge."""
    trained = list(runs[0].weights)
    held_out = {of: name for name, of in runs[0].held_out.items() if of}
    candidates = [
        View("trained rewards", {name: name for name in trained}),
        View("held-out rewards", {name: held_out[name] for name in trained if name in held_out}),
        View("judge", {name: JUDGE + name for name in trained}),
    ]
    known = _common(runs)
    return [view for view in candidates if len(view.columns) == len(trained) and set(view.columns.values()) <= known]


def measuring(runs: Sequence[Run]) -> dict[str, str]:
    """The trained objective that each held-out reward or judge column measures, of those that all runs have."""
    trained, known = list(runs[0].weights), _common(runs)
    measured = {name: of for name, of in runs[0].held_out.items() if of in trained}
    measured |= {JUDGE + name: name for name in trained}
    return {column: of for column, of in measured.items() if column in known}


def _common(runs: Sequence[Run]) -> set[str]:
    return set.intersection(*(run.columns for run in runs))


def read_best(folder: str | Path) -> Best | None:
    """The front in ``best_front.json`` of ``folder``; None without that file.

    Raises:
        CheckpointError: the file lacks the weights.
    """
    file = Path(folder) / "best_front.json"
    if not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    if "weights" not in data:
        raise CheckpointError(
            f"'{file}' has no field weights, so the weights of its optima are unknown.",
            f"Write it again with `python -m lenity.toy.known_front {folder}`.",
        )
    at_weights, front = (np.array(data[name], dtype=float) for name in ("at_weights", "front"))
    return Best(data["objectives"], data["weights"], at_weights, front)


def shown(runs: Sequence[Run], most: int = 12) -> list[Run]:
    """The runs whose curves are drawn: all if at most ``most``, else each method's first seed at its most even weights."""
    if len(runs) <= most:
        return list(runs)
    first = min(run.seed for run in runs)
    trained = [run for run in runs if run.metrics and run.seed == first]
    return [
        min((run for run in trained if run.method == method), key=lambda run: max(run.weights.values()))
        for method in dict.fromkeys(run.method for run in trained)
    ]
