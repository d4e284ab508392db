"""The folder of a model that is trained outside the loop: checkpoints while it trains, then the model, and its report last."""

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
IDLE = {"output", "trust_remote_code", *FREE_TO_CHANGE}  # settings that change nothing of the model


class Output:
    """Files of ``config.output``. With ``report.json`` the model is finished; with ``trained.json`` it is trained and saved."""

    def __init__(self, config: StageConfig, request: stopping.StopRequest) -> None:
        self.path, self.config, self.request = Path(config.output), config, request

    @property
    def checkpoints(self) -> Path:
        """Where the trainer works."""
        return self.path / "checkpoints"

    @property
    def report(self) -> dict[str, Any] | None:
        """That of a finished model."""
        return _read(self.path / REPORT)

    @property
    def trained(self) -> dict[str, Any] | None:
        """What a training reported whose model is saved and not yet measured."""
        return _read(self.path / TRAINED)

    def notify(self, text: str) -> None:
        """Show a sentence, in the first process where progress is shown."""
        if launch.leads() and self.config.logging.progress:
            terminal.notify(text)

    def enter(self, resume: bool) -> None:
        """Put the settings on record.

        Raises:
            CheckpointError: a model is here already, or a part of its training, and ``resume`` is off or the settings are others.
        """
        known, done = (self.path / SETTINGS).is_file(), self.report is not None
        if not known and (done or (self.path / "config.json").exists()):
            raise CheckpointError(
                f"output '{self.path}' already holds a model, without the settings that it was trained with ({SETTINGS}).",
                "Choose another --output.",
            )
        begun = done or self.trained is not None or any(self.checkpoints.glob("*"))
        if begun and not resume:
            raise CheckpointError(
                f"output '{self.path}' already holds {'a trained model' if done else 'a training that was interrupted'}.",
                "Choose another --output." if done else "Add --resume to go on with it, or choose another --output.",
            )
        if begun and (found := self._changes()):
            raise CheckpointError(
                f"the model in '{self.path}' was trained with other settings: {'; '.join(found.values())}.",
                "Resume with the same settings, or choose another --output.",
            )
        if launch.leads():
            text = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
                replace_text(self.path / SETTINGS, text)

    def _changes(self) -> dict[str, str]:
        """Settings of the training that differ from those on record."""
        before = parse(type(self.config), read_yaml(self.path / SETTINGS), source=str(self.path / SETTINGS))
        was, now = (config.model_dump(mode="json", exclude=IDLE) for config in (before, self.config))
        return changes(was, now)

    def save(self, trainer: Any, tokenizer: Any) -> Any:
        """The trained model, with the adapter in its weights, as it was written with its tokenizer."""
        from lenity.models.merge import merge, save

        model = trainer.accelerator.unwrap_model(trainer.model)
        model = merge(model) if self.config.lora else model
        if trainer.is_world_process_zero():
            with writing(self.path):
                save(model, self.path)
                tokenizer.save_pretrained(self.path)
        trainer.accelerator.wait_for_everyone()  # before any of them reads it
        return model

    def keep(self, report: dict[str, Any]) -> None:
        """Put on record that the model is saved, so that only its measuring is left."""
        _write(self.path / TRAINED, report)

    def finish(self, report: dict[str, Any]) -> None:
        """Write ``report.json``; what only a resumed training needs is removed."""
        _write(self.path / REPORT, report)
        if launch.leads():
            (self.path / TRAINED).unlink(missing_ok=True)
            shutil.rmtree(self.checkpoints, ignore_errors=True)


def run(config: StageConfig, work: Callable[[Output], dict[str, Any]], *, resume: bool, gently: bool) -> dict[str, Any]:
    """The report of ``work``, which trains, saves and measures a model in ``config.output``; of a finished one as it is there.

    Args:
        config: of the training.
        work: gives the report.
        resume: go on with a training that was interrupted there.
        gently: SIGINT and SIGTERM end it after the step that runs, saved.

    Raises:
        CheckpointError: see :meth:`Output.enter`.
        FolderInUseError: another process works there.
        StoppedError: a signal ended it.
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
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _write(file: Path, report: dict[str, Any]) -> None:
    if launch.leads():
        with writing(file.parent):
            replace_text(file, json.dumps(report, indent=2) + "\n")
