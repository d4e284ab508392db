"""The evaluations of all runs in a folder: one table under one protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lenity.config.sections import Progress
from lenity.config.suggest import command
from lenity.console.progress import track
from lenity.distributed import launch
from lenity.errors import CheckpointError
from lenity.evaluation import protocol
from lenity.evaluation.places import FILE
from lenity.evaluation.protocol import Protocol
from lenity.evaluation.score import evaluate
from lenity.evaluation.trained import Trained
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage.atomic_io import replace_table


def runs_in(folder: Path) -> list[RunFolder]:
    """The finished runs at or below ``folder``.

    Raises:
        CheckpointError: there is no finished run.
    """
    runs = [RunFolder(file.parent) for file in sorted(folder.rglob("config.yaml"))]
    finished = [run for run in runs if run.finished]
    if not finished:
        from lenity.runs.checkpoint import written

        begun = [run.path for run in runs if written(run.checkpoints)]
        raise CheckpointError(
            f"'{folder}' holds no finished run.",
            f"Finish it with --resume, or evaluate its newest checkpoint: {command('evaluate', begun[0], '--checkpoint', 'newest')}"
            if begun
            else "Give a run or sweep folder, after `lenity train` or `lenity sweep`.",
        )
    return finished


def evaluate_all(
    folder: Path,
    expected: Mapping[str, Protocol] | None = None,
    change: Callable[[RunConfig], RunConfig] = lambda config: config,
    progress: Progress | None = None,
    *,
    strict: bool = False,
) -> Protocol:
    """The shared protocol, after evaluating every finished run on prompts that none of them was trained on and :func:`gather`.

    Args:
        folder: of the sweep.
        expected: by name, the protocols that each run must match; default: the one in ``folder``.
        change: returns a run's new configuration, which is saved in its folder.
        progress: whether to show progress, and seconds between lines; default: a line every 30 seconds.
        strict: refuse held-out prompts that any run was trained on.

    Raises:
        DataError: no held-out prompt is left, or ``strict`` refuses them.
        ProtocolError: a run's protocol differs from those expected, or from the first run's; its evaluation is left unchanged.
    """
    runs = runs_in(folder)
    expected = protocol.frozen(folder) if expected is None else expected
    trained = Trained.of((change(run.config) for run in runs), folder)
    with track("evaluating", len(runs), unit="runs", settings=progress, shown=launch.leads()) as advance:
        for run in runs:
            evaluate(run, change(run.config), cache=folder, expected=expected, trained=trained, strict=strict)
            expected = expected or protocol.frozen(run.path)
            advance()
    return gather([run.path for run in runs], folder)


def gather(runs: Sequence[Path], output: Path) -> Protocol:
    """The protocol that the runs share; written as ``protocol.yaml``, with all evaluations in one file, by the first process.

    Raises:
        ProtocolError: two runs were measured differently.
    """
    import pandas as pd

    shared = merged({str(run): protocol.load(run) for run in runs})
    if launch.leads():
        replace_table(output / FILE, pd.concat([pd.read_parquet(run / FILE) for run in runs], ignore_index=True))
        shared.save(output)
    return shared


def merged(protocols: Mapping[str, Protocol]) -> Protocol:
    """One protocol with the weights and seeds of all.

    Raises:
        ProtocolError: two of them differ.
    """
    first, *others = protocols
    for other in others:
        protocol.check_same(protocols[first], protocols[other], (first, other))
    weights = {json.dumps(point, sort_keys=True): point for one in protocols.values() for point in one.weights}
    seeds = sorted({seed for one in protocols.values() for seed in one.seeds})
    counts = [one.trained_on for one in protocols.values()]
    known = [count for count in counts if count is not None]
    trained_on = max(known) if len(known) == len(counts) else None
    return protocols[first].model_copy(
        update={"weights": list(weights.values()), "seeds": seeds, "trained_on": trained_on}
    )
