"""Where evaluations are kept: a finished run's in its folder, that of a checkpoint in ``evaluations/iteration_NNNNNN`` of it."""

from __future__ import annotations

from pathlib import Path

from lenity.errors import CheckpointError
from lenity.runs.folder import SETTINGS

FILE, NOTE = "evaluation.parquet", "evaluation.json"
CHECKPOINTS = "evaluations"


def checkpoint_place(run: Path, iteration: int) -> Path:
    """The folder of the evaluation of one of ``run``'s checkpoints."""
    return run / CHECKPOINTS / f"iteration_{iteration:06d}"


def of_iteration(iteration: int | None, iterations: int) -> str:
    """What sets the name of a checkpoint's policy apart; nothing for the finished one.

    >>> of_iteration(3, 8), of_iteration(None, 8)
    (', iteration 3 of 8', '')
    """
    return "" if iteration is None else f", iteration {iteration} of {iterations}"


def evaluated(folder: Path) -> list[tuple[Path, Path]]:
    """Each evaluated run in ``folder``, at any depth, with where its evaluation is: its own, or else its newest checkpoint's.

    Raises:
        CheckpointError: there is none.
    """
    found: dict[Path, Path] = {}
    for place in sorted(file.parent for file in folder.rglob(FILE) if (file.parent / SETTINGS).is_file()):
        run = place.parents[1] if place.parent.name == CHECKPOINTS else place
        if found.get(run) != run:
            found[run] = place
    if not found:
        raise CheckpointError(
            f"'{folder}' holds no evaluated run.",
            "Give a run or sweep folder, after `lenity evaluate RUN` or `lenity sweep`.",
        )
    return list(found.items())
