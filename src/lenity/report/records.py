"""The record of a sweep in ``sweep.json``: the order of its runs, their errors, and the methods that runs were made for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lenity.errors import LenityError
from lenity.evaluation.places import CHECKPOINTS
from lenity.runs.folder import RunFolder

FILE = "sweep.json"
Entries = dict[tuple[str, ...], dict[str, Any]]  # by the last two parts of a run's folder


def sweep_of(run: Path, folder: Path) -> Path | None:
    """The sweep of ``run``: the nearest folder above it with a record, up to ``folder``; None without one."""
    return next((place for place in run.parents if place.is_relative_to(folder) and (place / FILE).is_file()), None)


def entries(folder: Path) -> Entries:
    """The record of each run of a sweep, in the order of its plan; empty outside a sweep."""
    file = folder / FILE
    record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return {Path(entry["run"]).parts[-2:]: entry for entry in record}


def failures(folders: Sequence[Path]) -> dict[str, str]:
    """The first line of the error of each failed run of the sweeps in ``folders``, by method and weights."""
    sweeps = sorted(file.parent for folder in folders for file in folder.rglob(FILE))
    failed = [entry for sweep in dict.fromkeys(sweeps) for entry in entries(sweep).values() if entry.get("error")]
    return {"/".join(Path(entry["run"]).parts[-2:]): entry["error"].partition("\n")[0][:200] for entry in failed}


def unfinished(folders: Sequence[Path]) -> list[str]:
    """The runs in ``folders`` that have started, without an evaluation of themselves or a checkpoint, as method and weights."""
    files = sorted(file for folder in folders for file in folder.rglob("config.yaml"))
    runs = dict.fromkeys(file.parent for file in files if file.parent.parent.name != CHECKPOINTS)
    begun = [run for run in runs if RunFolder(run).started and not any(run.rglob("evaluation.parquet"))]
    return ["/".join(run.absolute().parts[-2:]) for run in begun]


def made_for(runs: Sequence[Path], known: Entries) -> dict[Path, tuple[str, ...]]:
    """The methods that runs were made for, of the runs that the sweep did not ask for; inferred where the record lacks it."""
    recorded = {run: noted(run, known) for run in runs}
    guessed = _users(runs) if None in recorded.values() else {}
    users_of = {run: guessed.get(run, ()) if users is None else tuple(users) for run, users in recorded.items()}
    return {run: users for run, users in users_of.items() if users}


def noted(run: Path, known: Entries) -> Sequence[str] | None:
    """The methods that ``run`` was made for, by the record; None in records written before that field existed."""
    users: Sequence[str] | None = known.get(run.absolute().parts[-2:], {}).get("made_for")
    return users


def _users(runs: Sequence[Path]) -> dict[Path, tuple[str, ...]]:
    """The other methods that are built from each run, inferred from the configurations."""
    from lenity.sweep.plan import needs
    from lenity.sweep.state import method_of

    configs = {}
    for run in runs:
        with suppress(LenityError):
            configs[run] = RunFolder(run).config.model_copy(update={"output": str(run.absolute())})
    users = [config for config in configs.values() if config.method.sources]
    return {
        run: tuple(
            dict.fromkeys(method_of(user) for user in users if method_of(user) != method_of(own) and needs(user, own))
        )
        for run, own in configs.items()
    }
