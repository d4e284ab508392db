"""A run on disk: complete configuration, one metrics row per iteration, checkpoints, and at the end a standard PEFT adapter."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lenity.config.load import parse, read_yaml
from lenity.errors import CheckpointError
from lenity.runs.changes import breaking, changes, in_vain, remeasured
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import append_text, clear, replace_bytes, replace_text, replacing_folder, writing

if TYPE_CHECKING:
    from lenity.rewards.standardise import Standardiser

NOTES, SETTINGS, CONSTANTS = "notes.log", "config.yaml", "standardisation.json"

FORMER = {
    "mask_mean": "objective_scale_mean",
    "without_eos": "truncated_fraction",
}  # former names of columns of metrics.jsonl


class RunFolder:
    """The paths and files of one run; see the README for the layout."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(
        cls,
        config: RunConfig,
        resume: bool,
        *,
        allow_changes: bool = False,
        notify: Callable[[str], None] | None = None,
    ) -> RunFolder:
        """The folder ``config.output``, created and with ``config.yaml``: :meth:`entered` and :meth:`take_on` in one call."""
        run = cls.entered(config, resume, allow_changes=allow_changes)
        run.take_on(config, notify or run.note)
        return run

    @classmethod
    def entered(cls, config: RunConfig, resume: bool, *, allow_changes: bool = False) -> RunFolder:
        """The folder ``config.output``, created if it does not exist; the recorded settings of an existing run are not changed.

        Args:
            config: the configuration of the run.
            resume: continue an existing run.
            allow_changes: continue it also with settings that differ from the recorded ones.

        Raises:
            CheckpointError: the folder holds a run and ``resume`` is off, or the run cannot continue with ``config``.
        """
        run = cls(config.output)
        run.check(config, resume, allow_changes=allow_changes)
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            clear(run.path, run.checkpoints)
            if not run.started:  # remove files of a run that failed at its start
                (run.path / CONSTANTS).unlink(missing_ok=True)
                shutil.rmtree(run.path / "base", ignore_errors=True)
                run._record(config)
        return run

    def check(self, config: RunConfig, resume: bool, *, allow_changes: bool = False) -> None:
        """Raise ``CheckpointError`` if :meth:`entered` would, without changing the folder."""
        if not self.started:
            return
        if not resume:
            raise CheckpointError(
                f"output '{self.path}' already holds a run.",
                "Add --resume to continue it, or choose another --output.",
            )
        self._check_changes(config, allow_changes)

    def take_on(self, config: RunConfig, notify: Callable[[str], None]) -> None:
        """Record ``config``, once the run can continue with it; ``notify`` is called with each setting that differs."""
        for field, text in changes(self.config.dump(), config.dump()).items():
            if field != "output":  # the folder was moved, or its path is relative to another directory
                notify(f"Changed after iteration {len(self.metrics())}: {text}.")
        if (stale := remeasured(self.config, config)) and (self.path / CONSTANTS).is_file():
            notify(f"Constants of {', '.join(stale)} are measured again, on the reference policy's held-out responses.")
            self.standardiser(config).save(self.path / CONSTANTS)
        with writing(self.path):
            self._record(config)

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration in ``config.yaml``.

        Raises:
            CheckpointError: there is no ``config.yaml``.
        """
        if not self._settings.is_file():
            raise CheckpointError(f"'{self.path}' is not a run folder: it has no config.yaml.", "Check the path.")
        return parse(RunConfig, read_yaml(self._settings), source=str(self._settings))

    @property
    def started(self) -> bool:
        """Whether the folder holds results: metrics, checkpoints or an adapter."""
        return any((self.path / name).exists() for name in ("metrics.jsonl", "checkpoints", "adapter"))

    @property
    def adapter(self) -> Path:
        """The folder of the finished PEFT adapter."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        """The folder with one sub-folder per checkpoint."""
        return self.path / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether all iterations ran, or the budget is spent, and the adapter and the model card are there."""
        return self.ended(self.config)

    def ended(self, config: RunConfig) -> bool:
        """Whether the run is :attr:`finished` under ``config``."""
        complete = (self.adapter / "adapter_config.json").is_file() and (
            self.path / "README.md"
        ).is_file()  # the card comes last
        return complete and (config.method.loop_rule is None or _reached(config, self.metrics()))

    def trained(self, config: RunConfig) -> bool:
        """Whether nothing is left to train under ``config``: the run has ended, or its newest checkpoint is that of the end."""
        return self.ended(config) or (
            config.method.loop_rule is not None and _reached(config, self.metrics()[: self.saved])
        )

    @property
    def saved(self) -> int:
        """The iteration of the newest checkpoint whose rows are in ``metrics.jsonl``; 0 if there is none."""
        iterations = [int(place.name.rpartition("_")[2]) for place in self.checkpoints.glob("iteration_*[0-9]")]
        return max((iteration for iteration in iterations if iteration <= len(self.metrics())), default=0)

    def standardiser(self, config: RunConfig | None = None) -> Standardiser:
        """The frozen standardisation constants, without those of held-out rewards whose scores are different under ``config``."""
        from lenity.rewards.standardise import Standardiser

        constants = Standardiser.load(self.path / CONSTANTS)
        return constants.without(remeasured(self.config, config)) if config else constants

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.jsonl``; an incomplete last line, left by a crash, is skipped."""
        return [_renamed(json.loads(line)) for line in _lines(self.path / "metrics.jsonl")]

    def tokens(self) -> int:
        """The number of tokens generated so far."""
        return sum(int(row["tokens"]) for row in self.metrics())

    def append(self, row: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> None:
        """Add one iteration's samples to ``samples.jsonl``, then its row to ``metrics.jsonl``, which completes its record."""
        with writing(self.path):
            for name, rows in (("samples.jsonl", samples), ("metrics.jsonl", [row])):
                append_text(self.path / name, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in rows))

    def note(self, text: str) -> None:
        """Add a line to ``notes.log``, on an event that a reader of the results should know about."""
        with writing(self.path):
            append_text(self.path / NOTES, f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")

    def save_adapter(self, policy: Any) -> None:
        """Write ``adapter/`` atomically."""
        for settings in policy.peft_config.values():
            for field in ("target_modules", "target_parameters"):
                if isinstance(
                    names := getattr(settings, field, None), set
                ):  # the order of a set differs between processes
                    setattr(settings, field, sorted(names))
        with writing(self.path), replacing_folder(self.adapter) as partial:
            policy.save_pretrained(
                partial, safe_serialization=True, save_embedding_layers=False
            )  # the base's are frozen

    def amend(self, config: RunConfig) -> None:
        """Change how the run is evaluated or logged, also in its ``config.yaml``.

        Raises:
            CheckpointError: ``config`` changes settings that training depends on.
        """
        self._check_changes(config, False)
        self.take_on(config, self.note)

    def as_trained(self, config: RunConfig) -> RunConfig:
        """``config``; if the run is :meth:`trained`, sections without further effect keep their recorded values, with a note."""
        if not (self.started and self.trained(config)):
            return config
        before, now = self.config.dump(), config.dump()
        refused = in_vain(self, config, changes(before, now))
        for text in refused.values():
            self.note(f"Not changed: {text}.")
        return parse(RunConfig, now | {field.split(".")[0]: before[field.split(".")[0]] for field in refused})

    def take(self, source: str | Path, *names: str) -> None:
        """Copy the adapter of the finished run ``source``, and its files ``names``, as hard links where the file system supports them.

        Raises:
            CheckpointError: the run ``source`` is not finished.
        """
        other = RunFolder(source)
        if not other.finished:
            raise CheckpointError(
                f"the run '{source}' that this one takes its adapter from is not finished.", "Finish it first."
            )
        with writing(self.path):
            for name in names:
                (self.path / name).unlink(missing_ok=True)
                _link(other.path / name, self.path / name)
            with replacing_folder(self.adapter) as partial:
                shutil.copytree(other.adapter, partial, copy_function=_link, dirs_exist_ok=True)

    def truncate(self, iterations: int) -> None:
        """Remove the rows and samples after the first ``iterations`` iterations, before those are run again."""
        for name in ("metrics.jsonl", "samples.jsonl"):
            file = self.path / name
            if file.is_file():
                kept = [line + b"\n" for line in _lines(file) if json.loads(line)["iteration"] <= iterations]
                with writing(self.path):
                    replace_bytes(file, b"".join(kept))

    @property
    def _settings(self) -> Path:
        return self.path / SETTINGS

    def _record(self, config: RunConfig) -> None:
        save_config(self.path, config)
        self.__dict__["config"] = config

    def _check_changes(self, config: RunConfig, allow_changes: bool) -> None:
        if list(self.config.rewards) != list(config.rewards):
            raise CheckpointError(
                f"'{self.path}' holds a run with the objectives {list(self.config.rewards)}, not {list(config.rewards)}.",
                "Choose another --output.",
            )
        changed = changes(self.config.dump(), config.dump())
        if (differences := breaking(changed)) and not allow_changes:
            raise CheckpointError(
                f"'{self.path}' was started with other settings, and these would change its result: {'; '.join(differences.values())}.",
                "Resume with the same settings, add --allow-changes to continue with these, or choose another --output.",
            )
        if refused := in_vain(self, config, changed):
            raise CheckpointError(
                f"'{self.path}' cannot be resumed with changes that would have no effect: {'; '.join(refused.values())}.",
                "Undo them, choose another --output, or, if nothing is left to train, also raise iterations.",
            )


def _reached(config: RunConfig, rows: Sequence[Mapping[str, Any]]) -> bool:
    budget = config.budget.tokens
    return len(rows) >= config.iterations or (budget is not None and sum(int(row["tokens"]) for row in rows) >= budget)


def save_config(folder: Path, config: RunConfig) -> None:
    """Write ``config.yaml``."""
    replace_text(folder / SETTINGS, yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True))


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with the current names of columns in place of former ones."""
    renamed = {FORMER.get(name, name): value for name, value in row.items()}
    if "credit" in row.get("seconds", {}):
        renamed["seconds"] = {"advantages" if stage == "credit" else stage: s for stage, s in row["seconds"].items()}
    return renamed


def _lines(file: Path) -> Iterator[bytes]:
    """The complete lines that hold a JSON object, up to the first that does not."""
    if not file.is_file():
        return
    for line in file.read_bytes().split(b"\n")[:-1]:
        try:
            whole = isinstance(json.loads(line), dict)
        except (ValueError, RecursionError):
            return
        if not whole:
            return
        yield line
