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

from lenity.errors import CheckpointError
from lenity.evaluation.table import paired
from lenity.pareto.weights import label

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


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


def shown(runs: Sequence[Run], most: int = 12) -> list[Run]:
    """The runs whose curves are drawn: all, or where they are many, of the first seed each method's run at the most even weights."""
    if len(runs) <= most:
        return list(runs)
    first = min(run.seed for run in runs)
    trained = [run for run in runs if run.metrics and run.seed == first]
    return [
        min((run for run in trained if run.method == method), key=lambda run: max(run.weights.values()))
        for method in dict.fromkeys(run.method for run in trained)
    ]


def measured(runs: Sequence[Run]) -> list[str]:
    """The objectives a front is drawn in: the held-out ones where there are at least two, else those trained on."""
    first = runs[0].frame
    held_out = list(first.loc[first["held_out"], "objective"].drop_duplicates())
    return held_out if len(held_out) >= 2 else list(first.loc[~first["held_out"], "objective"].drop_duplicates())
