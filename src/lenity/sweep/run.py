"""Carries out a plan: worker processes, finished runs skipped, half-done ones resumed, a failure does not stop the others."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lenity.config.load import parse
from lenity.config.run import RunConfig
from lenity.errors import LenityError


@dataclass(frozen=True)
class Outcome:
    """How one run of a sweep ended."""

    run: str
    seconds: float
    error: str | None = None


def run_sweep(configs: Sequence[RunConfig], output: Path, jobs: int = 1, threads: int | None = None) -> list[Outcome]:
    """Train and evaluate every configuration; writes ``sweep.json`` and the combined ``evaluation.parquet``.

    Args:
        configs: from :func:`lenity.sweep.plan.plan`, which puts what is made from other runs last.
        output: the sweep folder.
        jobs: worker processes.
        threads: of each worker; default: the cores divided by ``jobs``. Results repeat exactly where it is the same.
    """
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    output.mkdir(parents=True, exist_ok=True)
    with _threads_for_children(threads), _pool(jobs, threads) as pool:
        pool.submit(_prepare, configs[0].dump(), str(output)).result()
        tasks: list[Future[tuple[float, str | None]]] = []
        for derived in (False, True):  # what is made from other runs waits for them
            group = [config for config in configs if bool(config.method.sources) is derived]
            tasks += (started := [pool.submit(_one, config.dump(), str(output)) for config in group])
            _follow(started, group)
    outcomes = [_outcome(config, task) for config, task in zip(configs, tasks, strict=True)]
    (output / "sweep.json").write_text(
        json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n", encoding="utf-8"
    )
    combine([outcome.run for outcome in outcomes if outcome.error is None], output)
    return outcomes


def combine(runs: Sequence[str], output: Path) -> None:
    """Write the runs' evaluations as one file."""
    import pandas as pd

    if runs:
        pd.concat([pd.read_parquet(Path(run) / "evaluation.parquet") for run in runs], ignore_index=True).to_parquet(
            output / "evaluation.parquet"
        )


class _threads_for_children:  # noqa: N801 - reads as a statement
    """Sets the thread counts that new processes inherit, and puts back what was there."""

    def __init__(self, threads: int) -> None:
        self.values = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} | {
            "TOKENIZERS_PARALLELISM": "false"
        }

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.values}
        os.environ.update(self.values)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _pool(jobs: int, threads: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start, initargs=(threads,)
    )


def _start(threads: int) -> None:
    import torch

    from lenity.terminal import quiet

    torch.set_num_threads(threads)
    quiet()  # many workers, one terminal


def _prepare(data: dict[str, Any], output: str) -> None:
    """What all runs share: the standardisation constants and the reference policy's held-out rows."""
    from lenity.evaluation.score import reference_rows
    from lenity.train import calibrate

    config = parse(RunConfig, data)
    standardiser = calibrate(config, Path(output) / "standardisation.json")
    reference_rows(config, config.evaluation, standardiser, Path(output))


def _one(data: dict[str, Any], output: str) -> tuple[float, str | None]:
    """Seconds taken and the error, if any."""
    from lenity.evaluation.score import evaluate
    from lenity.run_folder import RunFolder
    from lenity.train import train

    start = time.perf_counter()
    try:
        config = parse(RunConfig, data)
        folder = Path(config.output)
        if not (folder.exists() and RunFolder(folder).finished):
            train(config, resume=folder.exists())
        evaluate(RunFolder(folder), cache=Path(output))
    except LenityError as error:
        return time.perf_counter() - start, str(error)
    except Exception:
        return time.perf_counter() - start, traceback.format_exc()
    return time.perf_counter() - start, None


def _outcome(config: RunConfig, task: Future[tuple[float, str | None]]) -> Outcome:
    if error := task.exception():
        return Outcome(config.output, 0.0, f"the worker process ended: {error}")
    seconds, text = task.result()
    return Outcome(config.output, round(seconds, 1), text)


def _follow(tasks: Sequence[Future[Any]], configs: Sequence[RunConfig]) -> None:
    """A progress bar over all iterations of all runs, read from their folders."""
    from lenity.terminal import bar

    done, pending = 0, set(tasks)
    with bar("aligning", sum(map(_work, configs)), shown=bool(tasks)) as advance:
        while pending:
            pending = wait(pending, timeout=1).not_done
            before, done = done, sum(map(_done, configs))
            advance(done - before, description=f"aligning · {len(tasks) - len(pending)} of {len(tasks)} runs done")


def _work(config: RunConfig) -> int:
    return 1 if config.method.builds else config.iterations


def _done(config: RunConfig) -> int:
    if config.method.builds:
        return int((Path(config.output) / "evaluation.parquet").is_file())
    file = Path(config.output) / "metrics.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0
