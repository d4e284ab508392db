"""A sweep as scripts for Slurm's ``sbatch``: this module writes them and collects their results; the user submits them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenity.console.terminal import notify
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import replace_text
from lenity.storage.lock import locked
from lenity.sweep.job import FOLDER, SHARED, TASKS, found
from lenity.sweep.placement import Placement
from lenity.sweep.record import Outcome, Record


@dataclass(frozen=True)
class Collected:
    """The state of a sweep under Slurm.

    Args:
        outcomes: of the runs whose jobs have ended.
        left: number of runs that are not done.
        commands: shell commands that submit those runs.
        shared: the error of the shared task, if it failed.
    """

    outcomes: list[Outcome]
    left: int
    commands: list[str]
    shared: str | None


def write_and_collect(
    configs: Sequence[RunConfig], output: Path, placement: Placement, *, allow_changes: bool = False,
    made_for: Mapping[str, Sequence[str]] | None = None,
) -> Collected:  # fmt: skip
    """The collected outcomes of ended jobs, and the commands that submit scripts for the remaining runs.

    Outcomes go to ``sweep.json``, and the evaluations of finished runs to one file. A call after which runs remain writes its
    scripts to a new folder ``output/slurm/<n>``, so that queued jobs keep the scripts of their own call: one script for the shared
    task, then one job array for the runs that train, then one for the runs made from them.

    Raises:
        FolderInUseError: another sweep is running in ``output``.
    """
    from lenity.evaluation.folder import gather
    from lenity.evaluation.trained import Trained

    trained = Trained.of(configs)
    with locked(output):
        trained.share(output)
        record = Record(output, configs, made_for)
        for config in configs:
            if config.output in record.kept:
                record.add(found(output, config.output) or Outcome(config.output, 0.0))
            elif (outcome := found(output, config.output)) and outcome.error:
                record.add(outcome)
        good = [Path(outcome.run) for outcome in record.outcomes if outcome.error is None]
        if good and (caution := gather(good, output).caution):
            notify(caution)
        left = [config for config in configs if config.output not in record.kept]
        commands = _write(left, output, placement, allow_changes=allow_changes) if left else []
        shared = found(output, SHARED)
        return Collected(record.outcomes, len(left), commands, shared.error if shared and left else None)


def _write(configs: Sequence[RunConfig], output: Path, placement: Placement, *, allow_changes: bool) -> list[str]:
    """The commands that submit the scripts, in order, after the scripts were written."""
    folder = _next(output / FOLDER)
    data = {
        "output": str(output), "threads": placement.threads, "allow_changes": allow_changes, "runs": [config.dump() for config in configs],
    }  # fmt: skip
    replace_text(folder / TASKS, json.dumps(data) + "\n")
    commands, after = [_script(folder, SHARED, placement)], f"afterok:${{{SHARED}%;*}}"
    for number, stage in enumerate(stages(configs), start=1):
        name = f"runs{number}"
        commands.append(_script(folder, name, placement, stage, after))
        after = f"afterany:${{{name}%;*}}"
    return commands


def stages(configs: Sequence[RunConfig]) -> list[list[int]]:
    """The positions in ``configs`` per stage; the runs of a stage are made from runs of earlier stages only."""
    names, depth = {config.output: position for position, config in enumerate(configs)}, dict[int, int]()

    def of(position: int) -> int:
        if position not in depth:
            depth[position] = max(
                (1 + of(names[source]) for source in configs[position].method.sources if source in names), default=0
            )
        return depth[position]

    for position in range(len(configs)):
        of(position)
    return [[p for p in range(len(configs)) if depth[p] == level] for level in sorted(set(depth.values()))]


def _script(
    folder: Path, name: str, placement: Placement, array: Sequence[int] | None = None, after: str | None = None
) -> str:
    """The command that submits the script ``name`` and keeps its job id in a shell variable, after the script was written."""
    at_once = f"%{placement.jobs}" if placement.jobs else ""
    log = "%x-%A_%a.log" if array else "%x-%j.log"
    options = {
        "job-name": name, "array": f"{_ranges(array)}{at_once}" if array else None, "cpus-per-task": placement.threads,
        "gres": f"gpu:{placement.gpus:.0f}" if placement.gpus else None, "output": shlex.quote(str((folder / log).absolute())),
    }  # fmt: skip
    lines = ["#!/usr/bin/env bash"]
    lines += [f"#SBATCH --{key}={value}" for key, value in options.items() if value]
    lines += ["#SBATCH --requeue", "#SBATCH --kill-on-invalid-dep=yes"]
    job = [sys.executable, "-m", "lenity.sweep.job", str(folder)]
    lines += ["set -euo pipefail", f"cd {shlex.quote(str(Path.cwd()))}"]
    lines += [f"exec {shlex.join(job)} " + ('"$SLURM_ARRAY_TASK_ID"' if array else SHARED)]
    file = folder / f"{name}.sh"
    replace_text(file, "\n".join(lines) + "\n")
    depend = f"--dependency={after} " if after else ""
    return f"{name}=$(sbatch --parsable {depend}{shlex.quote(str(file))})"


def _ranges(numbers: Sequence[int]) -> str:
    """The numbers in the notation of ``sbatch --array``.

    >>> _ranges([0, 1, 2, 5, 7, 8])
    '0-2,5,7-8'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1][1:] = [number]
        else:
            spans.append([number])
    return ",".join("-".join(map(str, span)) for span in spans)


def _next(place: Path) -> Path:
    """A new folder in ``place``, with the next free number from 1."""
    numbers = [int(path.name) for path in place.glob("*") if path.name.isdigit()]
    folder = place / str(max(numbers, default=0) + 1)
    folder.mkdir(parents=True)
    return folder
