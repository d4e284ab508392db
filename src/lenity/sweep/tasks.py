"""What a worker of a sweep does: first what all runs share, then one run after another."""

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
    """Variables of a worker, set before it loads a library."""
    quiet = "ignore:resource_tracker:UserWarning"  # workers that are ended in the middle leave a lock behind
    warnings = ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), quiet)))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    return limits | {"TOKENIZERS_PARALLELISM": "false", "PYTHONWARNINGS": warnings}


def start(threads: int) -> None:
    """Once in each worker."""
    import torch

    from lenity.console.terminal import quiet

    torch.set_num_threads(threads)
    quiet()  # many workers, one terminal


def prepare(data: dict[str, Any], output: str) -> None:
    """A whole model where the policy is an adapter, the standardisation constants, the reference policy's held-out rows.

    Raises:
        CheckpointError: what was made before was made with other settings.
        ProtocolError: the runs would be measured otherwise than the sweep's ``protocol.yaml`` says; nothing was trained.
    """
    from lenity.distributed.processes import ALONE
    from lenity.evaluation import protocol
    from lenity.evaluation.measurement import Measurement
    from lenity.evaluation.rows import raw_columns
    from lenity.evaluation.score import Conditions, reference_rows
    from lenity.evaluation.trained import Trained
    from lenity.sweep import shared
    from lenity.training.constants import calibrate

    shared.agree(given := parse(RunConfig, data), Path(output))
    config, expected = _on_whole_model(given, Path(output)), protocol.frozen(Path(output))
    standardiser = calibrate(config, Path(output) / "standardisation.json").replaced(config.evaluation.standardisation)
    trained = Trained.of([config], Path(output))
    measurement = Measurement.of(config)
    conditions = Conditions(Path(output), trained, ALONE, expected, progress=config.logging)
    start, held_out = reference_rows(measurement, standardiser, conditions)
    made = protocol.of_rows(measurement, standardiser.extended(raw_columns(start)), start, held_out)
    protocol.check_all(expected, made, "this sweep")


def align(data: dict[str, Any], output: str, allow_changes: bool = False) -> None:
    """Train, from where the run stopped, and evaluate; with ``allow_changes`` a run that has ended stays as it was trained."""
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
    """``function(*arguments)``, once the process that was lost at it no longer holds ``folder``; notes.log says why.

    Args:
        folder: the run's; where it is not there, there is nothing to wait for.
        lost: who held it.
        why: the loss.
        function: :func:`align` or :func:`prepare`.
        arguments: of ``function``.
    """
    if Path(folder).is_dir():
        lock.reclaim(Path(folder), lost)
        RunFolder(folder).note(why)
    function(*arguments)


def _on_whole_model(config: RunConfig, output: Path) -> RunConfig:
    """The same policy for all runs: an adapter is merged once, so that their adapters stand on one model."""
    from lenity.models.policy import merged

    return config.model_copy(update={"policy": merged(config.policy, output / "base")})


def _outdated(config: RunConfig) -> bool:
    """Whether an adapter made from other runs was cut short, or is older than theirs."""
    own = RunFolder(config.output).adapter
    if not config.method.sources or not own.is_dir():
        return False
    theirs = [_written(RunFolder(source).adapter) for source in config.method.sources]
    return _written(own) < max(theirs) or not _written(own)


def _written(adapter: Path) -> int:
    """When, in nanoseconds; 0 where it is not there."""
    file = adapter / "adapter_model.safetensors"
    return file.stat().st_mtime_ns if file.is_file() else 0
