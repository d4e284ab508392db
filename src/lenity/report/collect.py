"""Reads a run or sweep folder; nothing here draws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from numpy.typing import NDArray

from lenity.errors import CheckpointError
from lenity.evaluation import protocol
from lenity.evaluation.places import FILE, evaluated
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.table import paired
from lenity.pareto.weights import label
from lenity.run_folder import SETTINGS, RunFolder

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
JUDGED, JUDGE = "judge.parquet", "judge: "


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
    protocol: Protocol | None = None
    iteration: int | None = None  # of the checkpoint that was evaluated; None where the run was finished

    @property
    def name(self) -> str:
        """Method and weights, for headings."""
        return f"{self.method} · {label(self.weights).replace('_', ' ')}"

    @cached_property
    def columns(self) -> set[str]:
        """Names of all that scored its responses."""
        return set(self.frame["objective"])

    @property
    def held_out(self) -> dict[str, str | None]:
        """The trained objective that each held-out reward measures, where it says so."""
        settings = self.config.get("held_out_rewards") or {}
        return {str(name): spec.get("measures") for name, spec in settings.items()}

    def scores(self, columns: Sequence[str], policy: str = "aligned", column: str = "standardised") -> Array:
        """(prompts, K) in the order of prompt ids."""
        scores: Array = paired(self.frame, policy, list(columns), column)[1]
        return scores


@dataclass(frozen=True)
class View:
    """One way to score the same responses; ``columns`` names, for each objective, the reward in the rows."""

    name: str
    columns: dict[str, str]


@dataclass(frozen=True)
class Best:
    """The exact best front, raw scores, and the optimum at each of ``weights``; known in the toy world alone."""

    objectives: list[str]
    weights: list[dict[str, float]]
    at_weights: Array
    front: Array


def read_runs(folder: str | Path) -> list[Run]:
    """The evaluated runs in ``folder``, which is one itself or holds them at any depth; with the judge's scores, where there are.

    Raises:
        CheckpointError: there is none, or two are of one method, weights and seed.
    """
    import pandas as pd

    folder = Path(folder)
    judged = pd.read_parquet(folder / JUDGED) if (folder / JUDGED).is_file() else None
    order = _planned(folder)
    found = [_read(run, place, judged) for run, place in evaluated(folder)]
    _refuse_twins(found)
    return sorted(found, key=lambda run: order.get(run.path.parts[-2:], len(order)))


def _refuse_twins(runs: Sequence[Run]) -> None:
    """A run that is there twice would count twice."""
    places: dict[tuple[str, str, int], Path] = {}
    for run in runs:
        other = places.setdefault((run.method, json.dumps(run.weights, sort_keys=True), run.seed), run.path)
        if other != run.path:
            raise CheckpointError(
                f"'{other}' and '{run.path}' are both {run.name} with seed {run.seed}.",
                "Move one of them out of the folder.",
            )


def _read(run: Path, place: Path, judged: pd.DataFrame | None) -> Run:
    import pandas as pd

    frame = pd.read_parquet(place / FILE)
    first = frame.iloc[0]
    iteration = int(first["iteration"]) if "iteration" in frame else None
    return Run(
        run, str(first["method"]), json.loads(first["weights"]), int(first["seed"]),
        frame if judged is None else with_judge(frame, judged),
        RunFolder(run).metrics()[:iteration],
        yaml.safe_load((place / SETTINGS).read_text(encoding="utf-8")),
        protocol.load(place) if (place / protocol.FILE).is_file() else None,
        iteration,
    )  # fmt: skip


def with_judge(frame: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Rows of the judge's scores beside the rewards', as ``judge: <objective>``; standardised on the reference policy's.

    A run of which a response to one of the judged prompts was not asked about is newer than the judging; it gets none.
    """
    import pandas as pd

    each = frame.drop_duplicates(["policy", "prompt_id"]).drop(columns=["objective", "held_out", "raw", "standardised"])
    scores = judged[["prompt_id", "response", "objective", "score"]].rename(columns={"score": "raw"})
    rows = each.merge(scores, on=["prompt_id", "response"])
    answered = len(rows.drop_duplicates(["policy", "prompt_id"]))
    if rows.empty or answered < each["prompt_id"].isin(judged["prompt_id"]).sum():
        return frame
    start = rows[rows["policy"] == "reference"].groupby("objective")["raw"]
    mean, std = (rows["objective"].map(figure) for figure in (start.mean(), start.std()))
    rows["standardised"] = (rows["raw"] - mean) / std.where(std > 0, 1.0)
    rows["objective"], rows["held_out"] = JUDGE + rows["objective"], True
    return pd.concat([frame, rows], ignore_index=True)


def views(runs: Sequence[Run]) -> list[View]:
    """The trained rewards; the held-out rewards that measure each objective; the judge: those that all runs have."""
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
    """The trained objective that each held-out reward and the judge score, of those that all runs have; in a view or not."""
    trained, known = list(runs[0].weights), _common(runs)
    found = {name: of for name, of in runs[0].held_out.items() if of in trained} | {
        JUDGE + name: name for name in trained
    }
    return {column: of for column, of in found.items() if column in known}


def _common(runs: Sequence[Run]) -> set[str]:
    return set.intersection(*(run.columns for run in runs))


def _planned(folder: Path) -> dict[tuple[str, ...], int]:
    """Place of each (method, weights) in the sweep's plan; empty outside a sweep."""
    return {Path(entry["run"]).parts[-2:]: place for place, entry in enumerate(_outcomes(folder))}


def read_failures(folder: Path) -> dict[str, str]:
    """The first line of the error of each run of the sweep that failed, by method and weights."""
    failed = [entry for entry in _outcomes(folder) if entry.get("error")]
    return {"/".join(Path(entry["run"]).parts[-2:]): entry["error"].partition("\n")[0][:200] for entry in failed}


def _outcomes(folder: Path) -> list[dict[str, Any]]:
    """How each run of a sweep ended; empty outside a sweep."""
    file = folder / "sweep.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def read_best(folder: str | Path) -> Best | None:
    """``best_front.json`` of ``folder``, where there is one.

    Raises:
        CheckpointError: it does not say at which weights.
    """
    file = Path(folder) / "best_front.json"
    if not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    if "weights" not in data:
        raise CheckpointError(
            f"'{file}' has no field weights, so its optima cannot be told apart.",
            f"Write it again with `python -m lenity.data.toy.known_front {folder}`.",
        )
    at_weights, front = (np.array(data[name], dtype=float) for name in ("at_weights", "front"))
    return Best(data["objectives"], data["weights"], at_weights, front)


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
