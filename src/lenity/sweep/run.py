"""Runs a plan: finished runs are kept, interrupted runs resume, and a failed run does not stop the others."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lenity.config.extras import require_trackers
from lenity.config.sections import Progress
from lenity.console.terminal import notify
from lenity.errors import LenityError
from lenity.runs.config import RunConfig
from lenity.storage.lock import locked
from lenity.sweep import tasks
from lenity.sweep.executors import Executor
from lenity.sweep.live import Watch, watch
from lenity.sweep.record import Outcome, Record
from lenity.sweep.retries import Retrying
from lenity.sweep.workers import Workers

SHARED = "what all runs share"


def run_sweep(
    configs: Sequence[RunConfig],
    output: Path,
    jobs: int = 1,
    threads: int | None = None,
    *,
    allow_changes: bool = False,
    executor: Executor | None = None,
    retries: int = 0,
    progress: Progress | None = None,
    made_for: Mapping[str, Sequence[str]] | None = None,
) -> list[Outcome]:
    """The outcomes of all runs, in the order of ``configs``, after each was trained and evaluated.

    ``sweep.json`` is written as runs end, and all evaluations as one file at the end.

    Args:
        configs: from :func:`lenity.sweep.plan.plan`.
        output: the sweep folder.
        jobs: number of worker processes.
        threads: threads per worker; default: the cores divided by ``jobs``. Results are reproduced exactly with the same number.
        allow_changes: runs that were started with other settings resume with these.
        executor: runs the tasks; default: ``jobs`` processes of this machine, with ``threads`` threads each.
        retries: how often a run resumes from its last checkpoint after its process or machine was lost.
        progress: whether to show progress, and seconds between lines; default: one line every 30 seconds.
        made_for: from :func:`lenity.sweep.plan.made_for`, for the record; default: every run was requested.

    Raises:
        FolderInUseError: another sweep is running in ``output``.
        ConfigError: a tracker of the runs is not installed.
        LenityError: the shared task failed, or the folder has runs that were evaluated under another protocol.
        KeyboardInterrupt: also on SIGTERM; the workers have ended.
    """
    from lenity.evaluation.folder import gather
    from lenity.evaluation.trained import Trained

    for config in configs:
        require_trackers(config.logging.trackers)
    trained = Trained.of(configs)
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    with locked(output):
        trained.share(output)
        record = Record(output, configs, made_for)
        with (
            _interrupted_by_sigterm(),
            _environment(tasks.environment(threads)),
            executor or Workers(jobs, partial(tasks.start, threads)) as started,
            watch(configs, started.room, record.kept, settings=progress) as view,
        ):
            workers = Retrying(started, retries, view.again)
            _prepare(configs[0], output, workers, view)
            _carry_out(configs, output, workers, record, view, allow_changes=allow_changes)
            good = [Path(outcome.run) for outcome in record.outcomes if outcome.error is None]
            view.notify(f"all ended; gathering the evaluations of {len(good)} runs" if good else "all ended")
        if good and (caution := gather(good, output).caution):
            notify(caution)
        return record.outcomes


def _prepare(config: RunConfig, output: Path, workers: Retrying, view: Watch) -> None:
    view.notify("measuring the constants of standardisation and the reference policy")
    workers.submit(SHARED, tasks.prepare, config.dump(), str(output))
    while not (answers := workers.wait(1)):
        pass
    if error := answers[0].error:
        raise LenityError(f"{SHARED} cannot be made: {error}", "Correct that and run the same command again.")
    view.notify("")


def _carry_out(
    configs: Sequence[RunConfig], output: Path, workers: Retrying, record: Record, view: Watch, *, allow_changes: bool
) -> None:
    """Submit each run once a worker is free and the runs that it is made from have ended."""
    by_output = {config.output: config for config in configs}
    waiting = list(configs)
    while waiting or workers.busy:
        for config in list(waiting):
            if failed := [source for source in config.method.sources if record.failed(source)]:
                waiting.remove(config)
                view.ended(config, record.add(Outcome(config.output, 0.0, f"made from '{failed[0]}', which failed")))
            elif workers.free and not any(map(record.awaits, config.method.sources)):
                waiting.remove(config)
                view.started(config)
                workers.submit(config.output, tasks.align, config.dump(), str(output), allow_changes)
        for answer in workers.wait(1):
            outcome = record.add(Outcome(answer.task, round(answer.seconds, 1), answer.error))
            view.ended(by_output[answer.task], outcome)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """A context with ``values`` as environment variables, which new processes inherit; restores the previous values."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """A context in which SIGTERM ends the sweep as Ctrl-C does, after its workers have ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
