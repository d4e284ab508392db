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
from lenity.config.run import RunConfig
from lenity.durable import append_text, clear, replace_bytes, replace_text, replacing_folder, writing
from lenity.errors import CheckpointError

if TYPE_CHECKING:
    from lenity.rewards.standardise import Standardiser

EVALUATED = ("evaluation", "held_out_prompts", "held_out_rewards")  # what says how a run is evaluated
FREE_TO_CHANGE = {
    "output",
    "checkpoint",
    "tolerance",
    "logging",
    *EVALUATED,
}  # training goes the same way with any of them
FREE_FIELD = "method.label"  # likewise
NOTES, SETTINGS = "notes.log", "config.yaml"


class RunFolder:
    """Paths and files of one run; see the README for the layout."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(
        cls, config: RunConfig, resume: bool, *, allow_changes: bool = False, say: Callable[[str], None] | None = None
    ) -> RunFolder:
        """The folder ``config.output``, made and holding ``config.yaml``.

        Args:
            config: of the run.
            resume: a run that is there already goes on.
            allow_changes: also with settings other than it has begun with.
            say: gets each setting that differs; default: :meth:`note`.

        Raises:
            CheckpointError: it holds a run already and ``resume`` is off, or what is there cannot go on as ``config`` says.
        """
        run = cls(config.output)
        if run.started:
            if not resume:
                raise CheckpointError(
                    f"output '{run.path}' already holds a run.",
                    "Add --resume to go on with it, or choose another --output.",
                )
            run._check_changes(config, allow_changes, say or run.note)
        with writing(run.path):
            run.path.mkdir(parents=True, exist_ok=True)
            clear(run.path, run.checkpoints)
            if not run.started:  # what a run that failed at its start left behind
                (run.path / "standardisation.json").unlink(missing_ok=True)
            save_config(run.path, config)
        run.__dict__.pop("config", None)
        return run

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
        rows, budget = self.metrics(), self.config.budget.tokens
        trained = len(rows) >= self.config.iterations or (budget is not None and self.tokens() >= budget)
        made = (self.adapter / "adapter_config.json").is_file() and (
            self.path / "README.md"
        ).is_file()  # the card comes last
        return made and (trained or self.config.method.builds)

    def standardiser(self) -> Standardiser:
        """The frozen constants."""
        from lenity.rewards.standardise import Standardiser

        return Standardiser.load(self.path / "standardisation.json")

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of ``metrics.jsonl``; a last line cut short by a crash is left out."""
        return [json.loads(line) for line in _lines(self.path / "metrics.jsonl")]

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
        self._check_changes(config, False, self.note)
        with writing(self.path):
            save_config(self.path, config)
        self.__dict__["config"] = config

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

    def _check_changes(self, config: RunConfig, allow_changes: bool, say: Callable[[str], None]) -> None:
        if list(self.config.rewards) != list(config.rewards):
            raise CheckpointError(
                f"'{self.path}' holds a run with the objectives {list(self.config.rewards)}, not {list(config.rewards)}.",
                "Choose another --output.",
            )
        changed = changes(self.config.dump(), config.dump())
        breaking = [
            text for field, text in changed.items() if field != FREE_FIELD and field.split(".")[0] not in FREE_TO_CHANGE
        ]
        if breaking and not allow_changes:
            raise CheckpointError(
                f"'{self.path}' was begun with other settings and would not end as it would have: {'; '.join(breaking)}.",
                "Resume with the same settings, add --allow-changes to go on with these, or choose another --output.",
            )
        changed.pop("output", None)  # the folder was moved, or is named from another place
        for text in changed.values():
            say(f"Changed after iteration {len(self.metrics())}: {text}.")


def changes(before: Any, now: Any, field: str = "") -> dict[str, str]:
    """Where two configurations differ: the field, and what it was and is.

    >>> changes({"seed": 0, "ppo": {"clip": 0.2, "lam": 1}}, {"seed": 0, "ppo": {"clip": 0.1, "lam": 1}})
    {'ppo.clip': 'ppo.clip was 0.2 and is 0.1'}
    """
    if before == now:
        return {}
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return {field: f"{field} was {before!r} and is {now!r}"}
    found: dict[str, str] = {}
    for key in [*before, *(key for key in now if key not in before)]:
        found |= changes(before.get(key), now.get(key), f"{field}.{key}" if field else key)
    return found


def save_config(folder: Path, config: RunConfig) -> None:
    """Write ``config.yaml``."""
    replace_text(folder / SETTINGS, yaml.safe_dump(config.dump(), sort_keys=False, allow_unicode=True))


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


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
