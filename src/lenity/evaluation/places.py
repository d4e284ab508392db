"""Paths of evaluations: a finished run's in its folder, a checkpoint's in its ``evaluations/iteration_NNNNNN``."""

from __future__ import annotations

from pathlib import Path

from lenity.errors import CheckpointError
from lenity.runs.folder import SETTINGS

FILE, NOTE = "evaluation.parquet", "evaluation.json"
CHECKPOINTS = "evaluations"


def checkpoint_place(run: Path, iteration: int) -> Path:
    """The folder with the evaluation of ``run``'s checkpoint at ``iteration``."""
    return run / CHECKPOINTS / f"iteration_{iteration:06d}"


def of_iteration(iteration: int | None, iterations: int) -> str:
    """The suffix to the name of a checkpoint's policy; empty for a finished run.

    >>> of_iteration(3, 8), of_iteration(None, 8)
    (', iteration 3 of 8', '')
    """
    return "" if iteration is None else f", iteration {iteration} of {iterations}"


def evaluated(folder: Path) -> list[tuple[Path, Path]]:
    """Each evaluated run at or below ``folder``, with the folder of its evaluation, or else of its newest checkpoint's.

    Raises:
        CheckpointError: there is no evaluated run.
    """
    folders: dict[Path, Path] = {}
    for place in sorted(file.parent for file in folder.rglob(FILE) if (file.parent / SETTINGS).is_file()):
        run = place.parents[1] if place.parent.name == CHECKPOINTS else place
        if folders.get(run) != run:
            folders[run] = place
    if not folders:
        raise CheckpointError(
            f"'{folder}' holds no evaluated run.",
            "Give a run or sweep folder, after `lenity evaluate RUN` or `lenity sweep`.",
        )
    return list(folders.items())
