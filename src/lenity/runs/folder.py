"""A run on disk: complete configuration, one row an iteration, checkpoints, and at the end a standard PEFT adapter."""

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

FORMER = {"mask_mean": "objective_scale_mean", "without_eos": "truncated_fraction"}  # columns of metrics.jsonl


class RunFolder:
    """Paths and files of one run; see the README for the layout."""

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
        """The folder ``config.output``, made and holding ``config.yaml``: :meth:`entered` and :meth:`take_on` in one."""
        run = cls.entered(config, resume, allow_changes=allow_changes)
        run.take_on(config, notify or run.note)
        return run

    @classmethod
    def entered(cls, config: RunConfig, resume: bool, *, allow_changes: bool = False) -> RunFolder:
        """The folder ``config.output``, made; the settings of a run that is there already stay on record as they were.

        Args:
            config: of the run.
            resume: a run that is there already goes on.
            allow_changes: also with settings other than it has begun with.

        Raises:
            CheckpointError: it holds a run already and ``resume`` is off, or what is there cannot go on as ``config`` says.
        """
        run = cls(config.output)
        run.check(config, resume, allow_changes=allow_changes)
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            clear(run.path, run.checkpoints)
            if not run.started:  # what a run that failed at its start left behind
                (run.path / CONSTANTS).unlink(missing_ok=True)
                shutil.rmtree(run.path / "base", ignore_errors=True)
                run._record(config)
        return run

    def check(self, config: RunConfig, resume: bool, *, allow_changes: bool = False) -> None:
        """Raise ``CheckpointError`` where :meth:`entered` would, and change nothing."""
        if not self.started:
            return
        if not resume:
            raise CheckpointError(
                f"output '{self.path}' already holds a run.",
                "Add --resume to go on with it, or choose another --output.",
            )
        self._check_changes(config, allow_changes)

    def take_on(self, config: RunConfig, notify: Callable[[str], None]) -> None:
        """Put ``config`` on record, once a run can go on with it; ``say`` gets each setting that differs."""
        for field, text in changes(self.config.dump(), config.dump()).items():
            if field != "output":  # the folder was moved, or is named from another place
                notify(f"Changed after iteration {len(self.metrics())}: {text}.")
        if (stale := remeasured(self.config, config)) and (self.path / CONSTANTS).is_file():
            notify(f"Constants of {', '.join(stale)} are measured again, on the reference policy's held-out responses.")
            self.standardiser(config).save(self.path / CONSTANTS)
        with writing(self.path):
            self._record(config)

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration."""
        if not self._settings.is_file():
            raise CheckpointError(f"'{self.path}' is not a run folder: it has no config.yaml.", "Check the path.")
        return parse(RunConfig, read_yaml(self._settings), source=str(self._settings))

    @property
    def started(self) -> bool:
        """Whether there is anything to lose: an iteration or an adapter."""
        return any((self.path / name).exists() for name in ("metrics.jsonl", "checkpoints", "adapter"))

    @property
    def adapter(self) -> Path:
        """The folder of the finished PEFT adapter."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint."""
        return self.path / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether all iterations ran, or the budget is spent, and the adapter and the model card are there."""
        return self.ended(self.config)

    def ended(self, config: RunConfig) -> bool:
        """Whether it is :attr:`finished` by the measure of ``config``."""
        made = (self.adapter / "adapter_config.json").is_file() and (
            self.path / "README.md"
        ).is_file()  # the card comes last
        return made and (config.method.loop_rule is None or _reached(config, self.metrics()))

    def trained(self, config: RunConfig) -> bool:
        """Whether ``config`` leaves nothing to train: it has ended, or its last checkpoint is that of the end."""
        return self.ended(config) or (
            config.method.loop_rule is not None and _reached(config, self.metrics()[: self.saved])
        )

    @property
    def saved(self) -> int:
        """The iteration of the newest checkpoint that is on record; 0 where there is none."""
        found = [int(place.name.rpartition("_")[2]) for place in self.checkpoints.glob("iteration_*[0-9]")]
        return max((iteration for iteration in found if iteration <= len(self.metrics())), default=0)

    def standardiser(self, config: RunConfig | None = None) -> Standardiser:
        """The frozen constants; without those of held-out rewards that are others in ``config`` than they were."""
        from lenity.rewards.standardise import Standardiser

        found = Standardiser.load(self.path / CONSTANTS)
        return found.without(remeasured(self.config, config)) if config else found

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.jsonl``; a last line cut short by a crash is left out."""
        return [_renamed(json.loads(line)) for line in _lines(self.path / "metrics.jsonl")]

    def tokens(self) -> int:
        """Tokens generated so far."""
        return sum(int(row["tokens"]) for row in self.metrics())

    def append(self, row: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> None:
        """Add one iteration's samples to ``samples.jsonl``, then its row to ``metrics.jsonl``, with which it is on record."""
        with writing(self.path):
            for name, rows in (("samples.jsonl", samples), ("metrics.jsonl", [row])):
                append_text(self.path / name, "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in rows))

    def note(self, text: str) -> None:
        """Add a line to ``notes.log``: what a reader of the results should know went otherwise than planned."""
        with writing(self.path):
            append_text(self.path / NOTES, f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n")

    def save_adapter(self, policy: Any) -> None:
        """Write ``adapter/``, whole or not at all."""
        for settings in policy.peft_config.values():
            for field in ("target_modules", "target_parameters"):
                if isinstance(names := getattr(settings, field, None), set):  # whose order is another in each process
                    setattr(settings, field, sorted(names))
        with writing(self.path), replacing_folder(self.adapter) as partial:
            policy.save_pretrained(partial, safe_serialization=True, save_embedding_layers=False)  # of the base: frozen

    def amend(self, config: RunConfig) -> None:
        """Change how the run is evaluated or logged, in its ``config.yaml`` too.

        Raises:
            CheckpointError: ``config`` is another run.
        """
        self._check_changes(config, False)
        self.take_on(config, self.note)

    def as_trained(self, config: RunConfig) -> RunConfig:
        """``config``, but of a run that is :meth:`trained` the sections that could do nothing any more as they were; a note says so."""
        if not (self.started and self.trained(config)):
            return config
        before, now = self.config.dump(), config.dump()
        refused = in_vain(self, config, changes(before, now))
        for text in refused.values():
            self.note(f"Not changed: {text}.")
        return parse(RunConfig, now | {field.split(".")[0]: before[field.split(".")[0]] for field in refused})

    def take(self, source: str | Path, *names: str) -> None:
        """Use the adapter of the finished run ``source``, and its files of these ``names``; links where the disk can.

        Raises:
            CheckpointError: that run is not finished.
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
        """Forget what was written after the first ``iterations`` iterations, before they are run again."""
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
        if (found := breaking(changed)) and not allow_changes:
            raise CheckpointError(
                f"'{self.path}' was begun with other settings and would not end as it would have: {'; '.join(found.values())}.",
                "Resume with the same settings, add --allow-changes to go on with these, or choose another --output.",
            )
        if refused := in_vain(self, config, changed):
            raise CheckpointError(
                f"'{self.path}' cannot go on with what would not take effect there: {'; '.join(refused.values())}.",
                "Leave that as it was, choose another --output, or, where nothing is left to train, ask for more iterations too.",
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
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` with the present names of what the first version called otherwise."""
    found = {FORMER.get(name, name): value for name, value in row.items()}
    if "credit" in row.get("seconds", {}):
        found["seconds"] = {"advantages" if stage == "credit" else stage: s for stage, s in row["seconds"].items()}
    return found


def _lines(file: Path) -> Iterator[bytes]:
    """The whole lines that hold JSON, up to the first that does not."""
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
