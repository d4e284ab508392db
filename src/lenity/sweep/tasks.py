"""The tasks of a sweep's workers: :func:`prepare` makes what all runs share, :func:`align` trains and evaluates one run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lenity.config.load import parse
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage import lock


def environment(threads: int) -> dict[str, str]:
    """The environment variables of a worker, which are set before it imports a library."""
    quiet = "ignore:resource_tracker:UserWarning"  # a terminated worker leaves a semaphore, which Python warns of
    warnings = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return limits | {"TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": warnings}


def start(threads: int) -> None:
    """Initialise a worker process: called once in each."""
    import torch

    from lenity.console.terminal import quiet

    torch.set_num_threads(threads)
    quiet()  # workers share one terminal


def prepare(data: dict[str, Any], output: str) -> None:
    """Make what all runs of a sweep share: a merged model if the policy is an adapter, the standardisation constants, and the
    held-out rows of the reference policy.

    Raises:
        CheckpointError: such files exist, and were made with other settings.
        ProtocolError: the runs would be evaluated otherwise than the sweep's ``protocol.yaml`` says; nothing was trained.
    """
    from lenity.distributed.processes import ALONE
    from lenity.evaluation import protocol
    from lenity.evaluation.measurement import Measurement
    from lenity.evaluation.rows import raw_columns
    from lenity.evaluation.score import Conditions, reference_rows
    from lenity.evaluation.trained import Trained
    from lenity.sweep import shared
    from lenity.training.constants import calibrate

    shared.agree(configured := parse(RunConfig, data), Path(output))
    config, expected = _on_whole_model(configured, Path(output)), protocol.frozen(Path(output))
    standardiser = calibrate(config, Path(output) / "standardisation.json").replaced(config.evaluation.standardisation)
    trained = Trained.of([config], Path(output))
    measurement = Measurement.of(config)
    conditions = Conditions(Path(output), trained, ALONE, expected, progress=config.logging)
    start, held_out = reference_rows(measurement, standardiser, conditions)
    actual = protocol.of_rows(measurement, standardiser.extended(raw_columns(start)), start, held_out)
    protocol.check_all(expected, actual, "this sweep")


def align(data: dict[str, Any], output: str, allow_changes: bool = False) -> None:
    """Train the run, from its last checkpoint on, and evaluate it.

    With ``allow_changes``, a run whose training has ended keeps the settings that it was trained with.
    """
    from lenity.evaluation import protocol
    from lenity.evaluation.score import evaluate
    from lenity.methods import train

    config = _on_whole_model(parse(RunConfig, data), Path(output))
    if _outdated(config):
        shutil.rmtree(RunFolder(config.output).adapter)
    if allow_changes:
        config = RunFolder(config.output).as_trained(config)
    run = train(config, resume=Path(config.output).exists(), allow_changes=allow_changes)
    evaluate(run, cache=Path(output), expected=protocol.frozen(Path(output)), progress=config.logging)


def again(folder: str, lost: dict[str, Any] | None, why: str, function: Callable[..., None], *arguments: Any) -> None:
    """Call ``function(*arguments)`` again, after the lost process has released ``folder``; ``why`` is added to notes.log.

    Args:
        folder: the run's folder; if it does not exist, there is nothing to wait for.
        lost: the lost process, which held the folder's lock.
        why: the reason of the retry.
        function: :func:`align` or :func:`prepare`.
        arguments: of ``function``.
    """
    if Path(folder).is_dir():
        lock.reclaim(Path(folder), lost)
        RunFolder(folder).note(why)
    function(*arguments)


def _on_whole_model(config: RunConfig, output: Path) -> RunConfig:
    """The configuration with a merged model as its policy if that is an adapter; all runs train adapters on this one model."""
    from lenity.models.policy import merged

    return config.model_copy(update={"policy": merged(config.policy, output / "base")})


def _outdated(config: RunConfig) -> bool:
    """Whether an adapter made from other runs is incomplete, or older than one of theirs."""
    own = RunFolder(config.output).adapter
    if not config.method.sources or not own.is_dir():
        return False
    theirs = [_written(RunFolder(source).adapter) for source in config.method.sources]
    return _written(own) < max(theirs) or not _written(own)


def _written(adapter: Path) -> int:
    """The time when the adapter was written, in nanoseconds; 0 if it does not exist."""
    file = adapter / "adapter_model.safetensors"
    return file.stat().st_mtime_ns if file.is_file() else 0
