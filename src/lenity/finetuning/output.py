"""The output folder of a fine-tuning: checkpoints during training, then the model, and its report last."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

from lenity.config.load import parse, read_yaml
from lenity.config.stages import StageConfig
from lenity.console import terminal
from lenity.distributed import launch, stopping
from lenity.errors import CheckpointError
from lenity.finetuning.training import FREE_TO_CHANGE
from lenity.runs.changes import changes
from lenity.storage.atomic_io import replace_text, writing
from lenity.storage.lock import locked

SETTINGS, TRAINED, REPORT = "training.yaml", "trained.json", "report.json"
IDLE = {"output", "trust_remote_code", *FREE_TO_CHANGE}  # settings without influence on the model


class Output:
    """The files in ``config.output``: ``trained.json`` exists once the model is saved, ``report.json`` once it is evaluated too."""

    def __init__(self, config: StageConfig, request: stopping.StopRequest) -> None:
        self.path, self.config, self.request = Path(config.output), config, request

    @property
    def checkpoints(self) -> Path:
        """The folder of the trainer's checkpoints."""
        return self.path / "checkpoints"

    @property
    def report(self) -> dict[str, Any] | None:
        """The report of a finished model; None before."""
        return _read(self.path / REPORT)

    @property
    def trained(self) -> dict[str, Any] | None:
        """The report of a training whose model is saved and not evaluated yet; None otherwise."""
        return _read(self.path / TRAINED)

    def notify(self, text: str) -> None:
        """Print ``text`` in the first process, if progress is shown."""
        if launch.leads() and self.config.logging.progress:
            terminal.notify(text)

    def enter(self, resume: bool) -> None:
        """Write the settings to the folder, after checking that it is empty or can be resumed.

        Raises:
            CheckpointError: the folder has a model or an interrupted training, and ``resume`` is false or the settings differ.
        """
        known, done = (self.path / SETTINGS).is_file(), self.report is not None
        if not known and (done or (self.path / "config.json").exists()):
            raise CheckpointError(
                f"output '{self.path}' already holds a model, without the settings of its training ({SETTINGS}).",
                "Choose another --output.",
            )
        started = done or self.trained is not None or any(self.checkpoints.glob("*"))
        if started and not resume:
            raise CheckpointError(
                f"output '{self.path}' already holds {'a trained model' if done else 'a training that was interrupted'}.",
                "Choose another --output." if done else "Add --resume to continue it, or choose another --output.",
            )
        if started and (changed := self._changes()):
            raise CheckpointError(
                f"the model in '{self.path}' was trained with other settings: {'; '.join(changed.values())}.",
                "Resume with the same settings, or choose another --output.",
            )
        if launch.leads():
            text = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                replace_text(self.path / SETTINGS, text)

    def _changes(self) -> dict[str, str]:
        """The settings that differ from those in the folder, with both values as text."""
        before = parse(type(self.config), read_yaml(self.path / SETTINGS), source=str(self.path / SETTINGS))
        was, now = (config.model_dump(mode="json", exclude=IDLE) for config in (before, self.config))
        return changes(was, now)

    def save(self, trainer: Any, tokenizer: Any) -> Any:
        """The trained model with the adapter merged, after it was saved with its tokenizer."""
        from lenity.models.merge import merge, save

        model = trainer.accelerator.unwrap_model(trainer.model)
        model = merge(model) if self.config.lora else model
        if trainer.is_world_process_zero():
            with writing(self.path):
                save(model, self.path)
                tokenizer.save_pretrained(self.path)
        trainer.accelerator.wait_for_everyone()  # no process reads the model before it is written
        return model

    def keep(self, report: dict[str, Any]) -> None:
        """Write ``trained.json``: the model is saved, and a resumed call only evaluates it."""
        _write(self.path / TRAINED, report)

    def finish(self, report: dict[str, Any]) -> None:
        """Write ``report.json``, then remove the checkpoints and ``trained.json``."""
        _write(self.path / REPORT, report)
        if launch.leads():
            (self.path / TRAINED).unlink(missing_ok=True)
            shutil.rmtree(self.checkpoints, ignore_errors=True)


def run(config: StageConfig, work: Callable[[Output], dict[str, Any]], *, resume: bool, gently: bool) -> dict[str, Any]:
    """The report of ``work``, which trains, saves and evaluates a model in ``config.output``; a finished model's saved report.

    Args:
        config: configuration of the training.
        work: trains, saves and evaluates the model; returns the report.
        resume: resume a training that was interrupted in the folder.
        gently: on SIGINT or SIGTERM, finish the current step, save a checkpoint and stop.

    Raises:
        CheckpointError: see :meth:`Output.enter`.
        FolderInUseError: another process is using the folder.
        StoppedError: a signal stopped the training.
    """
    request = stopping.StopRequest()
    output = Output(config, request)
    with locked(output.path) if launch.leads() else nullcontext():
        output.enter(resume)
        if (report := output.report) is not None:
            output.notify(f"'{output.path}' is finished; nothing is left to train.")
            return report
        with stopping.gently(output.notify, enabled=gently, unit="step") as output.request:
            report = work(output)
        if config.trust_remote_code:
            report["trust_remote_code"] = True
        output.finish(report)
    return report


def _read(file: Path) -> dict[str, Any] | None:
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return report


def _write(file: Path, report: dict[str, Any]) -> None:
    if launch.leads():
        with writing(file.parent):
            replace_text(file, json.dumps(report, indent=2) + "\n")
