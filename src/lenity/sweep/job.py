"""One job of a sweep under Slurm: ``python -m lenity.sweep.job FOLDER TASK``. Its outcome is written for the sweep's next call."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lenity.storage import lock
from lenity.storage.atomic_io import replace_text
from lenity.sweep import tasks
from lenity.sweep.executors import attempt
from lenity.sweep.record import Outcome

FOLDER, TASKS, OUTCOMES, SHARED = "slurm", "tasks.json", "outcomes", "shared"


def main(arguments: Sequence[str]) -> int:
    """The exit status of the job: 0, or 1 if the task failed.

    Args:
        arguments: the folder with ``tasks.json``, and the task: ``shared``, or the position of a run in that file.
    """
    folder, task = Path(arguments[0]), arguments[1]
    data = json.loads((folder / TASKS).read_text(encoding="utf-8"))
    output = Path(data["output"])
    config = data["runs"][0 if task == SHARED else int(task)]
    config["logging"]["progress"] = True  # each job has a log of its own
    os.environ.update(tasks.environment(data["threads"]))
    tasks.start(data["threads"])
    began = time.perf_counter()
    if task == SHARED:
        run, error = SHARED, attempt(tasks.prepare, (config, str(output)))
    else:
        run, error = config["output"], _align(config, output, allow_changes=data["allow_changes"])
    outcome = Outcome(run, round(time.perf_counter() - began, 1), error)
    file = _file(output, run)
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, json.dumps(asdict(outcome)) + "\n")
    print(error or "done", file=sys.stderr)  # goes to the job's log
    return int(error is not None)


def _align(config: dict[str, Any], output: Path, *, allow_changes: bool) -> str | None:
    run, work = config["output"], (config, str(output), allow_changes)
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if not restarts:
        return attempt(tasks.align, work)
    why = f"Slurm started the job again, {restarts} times by now: its node was lost, or it was preempted."
    return attempt(tasks.again, (run, lock.holder(Path(run)), why, tasks.align, *work))


def found(output: Path, run: str) -> Outcome | None:
    """The outcome of the last job of ``run``, or of the shared task; None if no such job has ended."""
    file = _file(output, run)
    if not file.is_file():
        return None
    data = json.loads(file.read_text(encoding="utf-8"))
    return Outcome(run, data["seconds"], data["error"])


def _file(output: Path, run: str) -> Path:
    return output / FOLDER / OUTCOMES / ("_".join(Path(run).parts[-2:]) + ".json")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
