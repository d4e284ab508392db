"""The evaluations of a sweep as one table under one protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lenity.errors import CheckpointError
from lenity.evaluation import protocol
from lenity.evaluation.protocol import Protocol, Reference
from lenity.evaluation.score import FILE, evaluate, write
from lenity.run_folder import RunFolder
from lenity.terminal import bar

if TYPE_CHECKING:
    import pandas as pd


def runs_in(folder: Path) -> list[RunFolder]:
    """The finished runs at any depth of ``folder``, which may be one itself.

    Raises:
        CheckpointError: there is none.
    """
    found = [RunFolder(file.parent) for file in sorted(folder.rglob("config.yaml"))]
    finished = [run for run in found if run.finished]
    if not finished:
        raise CheckpointError(
            f"'{folder}' holds no finished run; give a run or sweep folder, after `lenity train` or `lenity sweep`."
        )
    return finished


def evaluate_all(folder: Path, given: Protocol | None = None) -> Protocol:
    """Evaluate every finished run of a sweep folder, then :func:`gather` them.

    Args:
        folder: of the sweep.
        given: refuse runs that would be measured otherwise.
    """
    runs = runs_in(folder)
    with bar("evaluating", len(runs)) as advance:
        for run in runs:
            evaluate(run, cache=folder)
            if given:
                protocol.check_same(given, protocol.load(run.path), ("the protocol", str(run.path)))
            advance()
    return gather([run.path for run in runs], folder)


def gather(runs: Sequence[Path], output: Path) -> Protocol:
    """Write the runs' evaluations as one file, and the protocol they share as ``protocol.yaml``.

    The reference point of a protocol that is there already stays.

    Raises:
        ProtocolError: two runs, or a run and the protocol that is there, were measured differently.
    """
    import pandas as pd

    frames = [pd.read_parquet(run / FILE) for run in runs]
    shared = merged({str(run): protocol.load(run) for run in runs})
    shared = shared.model_copy(update={"reference": Reference(point=fixed_point(frames[0]))})
    if (output / protocol.FILE).is_file():
        before = protocol.load(output)
        protocol.check_same(before, shared, (str(output / protocol.FILE), "the runs"))
        shared = shared.model_copy(update={"reference": before.reference})
    write(pd.concat(frames, ignore_index=True), output / FILE)
    shared.save(output)
    return shared


def merged(protocols: Mapping[str, Protocol]) -> Protocol:
    """One protocol with the weights and seeds of all."""
    first, *others = protocols
    for other in others:
        protocol.check_same(protocols[first], protocols[other], (first, other))
    weights = {json.dumps(point, sort_keys=True): point for one in protocols.values() for point in one.weights}
    seeds = sorted({seed for one in protocols.values() for seed in one.seeds})
    return protocols[first].model_copy(update={"weights": list(weights.values()), "seeds": seeds})


def fixed_point(frame: pd.DataFrame) -> dict[str, float]:
    """The reference policy's mean minus the margin, standardised, by reward."""
    start = frame[frame["policy"] == "reference"]
    means = start.groupby("objective", sort=False)["standardised"].mean()
    return {str(name): float(mean) - protocol.MARGIN for name, mean in means.items()}
