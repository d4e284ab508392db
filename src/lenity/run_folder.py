"""A run on disk: complete configuration, one row an iteration, checkpoints, and at the end a standard PEFT adapter."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lenity.config.load import parse, read_yaml
from lenity.config.run import RunConfig
from lenity.durable import replace_text, replacing_folder, writing
from lenity.errors import CheckpointError

if TYPE_CHECKING:
    from lenity.rewards.standardise import Standardiser

EVALUATED = ("evaluation", "held_out_prompts", "held_out_rewards")  # what says how a run is evaluated
FREE_TO_CHANGE = {"output", "iterations", "budget", "checkpoint", "logging", *EVALUATED}


class RunFolder:
    """Paths and files of one run; see the README for the layout."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, config: RunConfig, resume: bool) -> RunFolder:
        """The folder ``config.output``, made and holding ``config.yaml``.

        Raises:
            CheckpointError: it holds a run already and ``resume`` is off, or the run in it is another one.
        """
        run = cls(config.output)
        if run.started:
            if not resume:
                raise CheckpointError(
                    f"output '{run.path}' already holds a run; add --resume to go on with it, or choose another --output."
                )
            run._refuse_another(config)
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            if not run.started:  # what a run that failed at its start left behind
                (run.path / "standardisation.json").unlink(missing_ok=True)
            replace_text(run._settings, _yaml(config))
        run.__dict__.pop("config", None)
        return run

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration."""
        if not self._settings.is_file():
            raise CheckpointError(f"'{self.path}' is not a run folder: it has no config.yaml; check the path.")
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
        """Whether all iterations ran, or the budget is spent, and the adapter is there."""
        rows, budget = self.metrics(), self.config.budget.tokens
        trained = len(rows) >= self.config.iterations or (budget is not None and self.tokens() >= budget)
        return (trained or self.config.method.builds) and (self.adapter / "adapter_config.json").is_file()

    def standardiser(self) -> Standardiser:
        """The frozen constants."""
        from lenity.rewards.standardise import Standardiser

        return Standardiser.load(self.path / "standardisation.json")

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.jsonl``; a last line cut short by a crash is left out."""
        return list(_rows(self.path / "metrics.jsonl"))

    def tokens(self) -> int:
        """Tokens generated so far."""
        return sum(int(row["tokens"]) for row in self.metrics())

    def append(self, row: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> None:
        """Add one iteration to ``metrics.jsonl`` and its samples to ``samples.jsonl``."""
        with writing(self.path):
            for name, rows in (("metrics.jsonl", [row]), ("samples.jsonl", samples)):
                with (self.path / name).open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in rows)

    def save_adapter(self, policy: Any) -> None:
        """Write ``adapter/``, whole or not at all."""
        with writing(self.path), replacing_folder(self.adapter) as partial:
            policy.save_pretrained(partial, safe_serialization=True)

    def amend(self, config: RunConfig) -> None:
        """Change how the run is evaluated or logged, in its ``config.yaml`` too.

        Raises:
            CheckpointError: ``config`` is another run.
        """
        self._refuse_another(config)
        with writing(self.path):
            replace_text(self._settings, _yaml(config))
        self.__dict__["config"] = config

    def take(self, source: str | Path, *names: str) -> None:
        """Use the adapter of the finished run ``source``, and its files of these ``names``; links where the disk can.

        Raises:
            CheckpointError: that run is not finished.
        """
        other = RunFolder(source)
        if not other.finished:
            raise CheckpointError(
                f"the run '{source}' that this one takes its adapter from is not finished; finish it first."
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
                rows = [row for row in _rows(file) if row["iteration"] <= iterations]
                replace_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    @property
    def _settings(self) -> Path:
        return self.path / "config.yaml"

    def _refuse_another(self, config: RunConfig) -> None:
        before, now = self.config.dump(), config.dump()
        for field in sorted(before.keys() - FREE_TO_CHANGE):
            if before[field] != now[field]:
                raise CheckpointError(
                    f"'{self.path}' holds a run with another {field}: {before[field]!r}, now {now[field]!r}. "
                    "Resume with the same settings, or choose another --output."
                )


def _yaml(config: RunConfig) -> str:
    return yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return
