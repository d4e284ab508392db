"""What ``sweep.json`` says of runs: their order, how they ended, and which were made for other methods alone."""

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
    """The sweep that ``run`` is in: the nearest folder above it with a record, ``folder`` at most; None where there is none."""
    return next((place for place in run.parents if place.is_relative_to(folder) and (place / FILE).is_file()), None)


def entries(folder: Path) -> Entries:
    """One for each run of a sweep, in the order of its plan; empty outside a sweep."""
    file = folder / FILE
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    return {Path(entry["run"]).parts[-2:]: entry for entry in found}


def failures(folders: Sequence[Path]) -> dict[str, str]:
    """The first line of the error of each run that failed in a sweep at any depth, by method and weights."""
    sweeps = sorted(file.parent for folder in folders for file in folder.rglob(FILE))
    failed = [entry for sweep in dict.fromkeys(sweeps) for entry in entries(sweep).values() if entry.get("error")]
    return {"/".join(Path(entry["run"]).parts[-2:]): entry["error"].partition("\n")[0][:200] for entry in failed}


def unfinished(folders: Sequence[Path]) -> list[str]:
    """The runs at any depth that have begun and were never evaluated, nor any of their checkpoints, by method and weights."""
    files = sorted(file for folder in folders for file in folder.rglob("config.yaml"))
    runs = dict.fromkeys(file.parent for file in files if file.parent.parent.name != CHECKPOINTS)
    begun = [run for run in runs if RunFolder(run).started and not any(run.rglob("evaluation.parquet"))]
    return ["/".join(run.absolute().parts[-2:]) for run in begun]


def made_for(runs: Sequence[Path], known: Entries) -> dict[Path, tuple[str, ...]]:
    """The methods that those of a sweep's runs were made for that were not asked for."""
    said = {run: noted(run, known) for run in runs}
    guessed = _users(runs) if None in said.values() else {}
    found = {run: guessed.get(run, ()) if users is None else tuple(users) for run, users in said.items()}
    return {run: users for run, users in found.items() if users}


def noted(run: Path, known: Entries) -> Sequence[str] | None:
    """What the record says that ``run`` was made for; None where it does not say, as none did before it had the field."""
    found: Sequence[str] | None = known.get(run.absolute().parts[-2:], {}).get("made_for")
    return found


def _users(runs: Sequence[Path]) -> dict[Path, tuple[str, ...]]:
    """The methods, other than its own, that need each run and were made from it: what is known without a record."""
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
