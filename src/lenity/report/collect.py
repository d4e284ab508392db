"""Reads a run or sweep folder; nothing here draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from lenity.errors import CheckpointError, ProtocolError
from lenity.evaluation.table import paired
from lenity.pareto import confidence
from lenity.pareto.confidence import Interval
from lenity.pareto.weights import label

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
MARGIN = 1.0  # of the reference point below the reference policy's mean, in standard deviations


@dataclass(frozen=True)
class Run:
    """One evaluated run."""

    path: Path
    method: str
    weights: dict[str, float]
    seed: int
    frame: pd.DataFrame
    metrics: list[dict[str, Any]]
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """Method and weights, for headings."""
        return f"{self.method} · {label(self.weights).replace('_', ' ')}"

    def scores(self, objectives: Sequence[str], policy: str = "aligned", column: str = "standardised") -> Array:
        """(prompts, K) in the order of prompt ids."""
        scores: Array = paired(self.frame, policy, list(objectives), column)[1]
        return scores


@dataclass(frozen=True)
class Volumes:
    """Hypervolume of each method over the same weights, and of each pair's difference."""

    objectives: list[str]
    reference: list[float]
    by_method: dict[str, Interval]
    differences: dict[tuple[str, str], Interval]
    best: float | None


@dataclass(frozen=True)
class Best:
    """The exact best front, raw scores; known in the toy world alone."""

    objectives: list[str]
    at_weights: Array
    front: Array


def read_runs(folder: str | Path) -> list[Run]:
    """The evaluated runs in ``folder``, which is one itself or holds them at any depth.

    Raises:
        CheckpointError: there is none.
    """
    import pandas as pd

    found = []
    for file in sorted(Path(folder).rglob("evaluation.parquet")):
        if not (file.parent / "config.yaml").is_file():
            continue
        frame = pd.read_parquet(file)
        config = yaml.safe_load((file.parent / "config.yaml").read_text(encoding="utf-8"))
        log = file.parent / "metrics.jsonl"
        metrics = (
            [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line] if log.is_file() else []
        )
        first = frame.iloc[0]
        found.append(
            Run(
                file.parent,
                str(first["method"]),
                json.loads(first["weights"]),
                int(first["seed"]),
                frame,
                metrics,
                config,
            )
        )
    if not found:
        raise CheckpointError(
            f"'{folder}' holds no evaluated run; give a run or sweep folder, after `lenity evaluate RUN` or `lenity sweep`."
        )
    order = _planned(Path(folder))
    return sorted(found, key=lambda run: order.get(run.path.parts[-2:], len(order)))


def _planned(folder: Path) -> dict[tuple[str, ...], int]:
    """Place of each (method, weights) in the sweep's plan; empty outside a sweep."""
    file = folder / "sweep.json"
    if not file.is_file():
        return {}
    return {
        Path(entry["run"]).parts[-2:]: place for place, entry in enumerate(json.loads(file.read_text(encoding="utf-8")))
    }


def read_best(folder: str | Path) -> Best | None:
    """``best_front.json`` of ``folder``, where there is one."""
    file = Path(folder) / "best_front.json"
    if not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    return Best(data["objectives"], np.array(data["at_weights"], dtype=float), np.array(data["front"], dtype=float))


def measured(runs: Sequence[Run]) -> list[str]:
    """The objectives a front is drawn in: the held-out ones where there are at least two, else those trained on."""
    first = runs[0].frame
    held_out = list(first.loc[first["held_out"], "objective"].drop_duplicates())
    return held_out if len(held_out) >= 2 else list(first.loc[~first["held_out"], "objective"].drop_duplicates())


def volumes(runs: Sequence[Run], best: Best | None = None, reference: Sequence[float] | None = None) -> Volumes:
    """Hypervolumes on standardised scores above ``reference``: by default the reference policy's mean minus ``MARGIN``.

    Methods are compared over the weights and seeds that all of them have.

    Raises:
        ProtocolError: runs were evaluated on different prompts, or have different reference scores.
    """
    objectives = measured(runs)
    _same_protocol(runs, objectives)
    start = runs[0].scores(objectives, "reference").mean(0)
    point = start - MARGIN if reference is None else np.asarray(reference, dtype=float)
    methods = list(dict.fromkeys(run.method for run in runs))
    keys = {method: {_where(run) for run in runs if run.method == method} for method in methods}
    common = set.intersection(*keys.values())
    if not common:
        return Volumes(objectives, point.tolist(), {}, {}, None)
    stacks = {
        method: np.stack(
            [
                run.scores(objectives)
                for run in sorted(runs, key=_where)
                if run.method == method and _where(run) in common
            ]
        )
        for method in methods
    }
    by_method = {method: confidence.front_hypervolume(stack, point) for method, stack in stacks.items()}
    pairs = [(a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]]
    differences = {(a, b): confidence.hypervolume_difference(stacks[a], stacks[b], point) for a, b in pairs}
    return Volumes(objectives, point.tolist(), by_method, differences, _best_volume(runs[0], objectives, best, point))


def _where(run: Run) -> tuple[str, int]:
    return json.dumps(run.weights, sort_keys=True), run.seed


def _same_protocol(runs: Sequence[Run], objectives: list[str]) -> None:
    ids, start = paired(runs[0].frame, "reference", objectives)
    for run in runs:
        others, scores = paired(run.frame, "reference", objectives)
        aligned = paired(run.frame, "aligned", objectives)[0]
        if others != ids or aligned != ids:
            raise ProtocolError(
                f"{run.path} was evaluated on other prompts than {runs[0].path}; evaluate both with the same settings."
            )
        if not np.allclose(scores, start):
            raise ProtocolError(
                f"{run.path} and {runs[0].path} differ in the reference policy's scores; they need one standardisation.json."
            )


def _best_volume(run: Run, objectives: list[str], best: Best | None, point: Array) -> float | None:
    """Volume of the exact front, brought to the standardised scale by the run's own constants."""
    from lenity.pareto import hypervolume

    if best is None or set(best.objectives) != set(objectives):
        return None
    constants = json.loads((run.path / "standardisation.json").read_text(encoding="utf-8"))
    mean, std = (np.array([constants[name][key] for name in objectives]) for key in ("mean", "std"))
    at_weights = best.at_weights[:, [best.objectives.index(name) for name in objectives]]
    return hypervolume((at_weights - mean) / std, point)
