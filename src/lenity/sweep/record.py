"""``sweep.json``: how each run of a sweep ended, written as it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lenity.errors import CheckpointError
from lenity.runs.config import RunConfig
from lenity.storage.atomic_io import replace_text
from lenity.sweep.state import done

FILE = "sweep.json"


@dataclass(frozen=True)
class Outcome:
    """How one run of a sweep ended; ``made_for`` names the methods that it was made for where it was not asked for itself, and is
    None where the record does not say.
    """

    run: str
    seconds: float
    error: str | None = None
    made_for: Sequence[str] | None = None


class Record:
    """One entry per run, in the order of the plan; those of an earlier call stand until their run ends again, after the plan's."""

    def __init__(
        self, output: Path, configs: Sequence[RunConfig], made_for: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._file, self._runs = output / FILE, [config.output for config in configs]
        self._earlier, self._made_for = _read(self._file), made_for or {}
        self._ended: dict[str, Outcome] = {}
        self.kept = {config.output for config in configs if done(config)}

    def add(self, outcome: Outcome) -> Outcome:
        """Write it; a run that was done before this call keeps the seconds that it took then, one that was once asked for stays so."""
        before = self._earlier.get(outcome.run)
        asked = before is not None and before.made_for == []
        outcome = replace(outcome, made_for=[] if asked else list(self._made_for.get(outcome.run, [])))
        if before and outcome.run in self.kept and outcome.error is None:
            outcome = replace(outcome, seconds=before.seconds)
        self._ended[outcome.run] = outcome
        found = self._earlier | self._ended
        order = dict.fromkeys([*self._runs, *self._earlier])
        entries = [asdict(found[run]) for run in order if run in found]
        replace_text(self._file, json.dumps(entries, indent=2) + "\n")
        return outcome

    def failed(self, run: str) -> bool:
        """Whether ``run`` ended in this call, with an error."""
        return run in self._ended and self._ended[run].error is not None

    def awaits(self, run: str) -> bool:
        """Whether ``run`` is in the plan and has not ended in this call."""
        return run in self._runs and run not in self._ended

    @property
    def outcomes(self) -> list[Outcome]:
        """Of this call, in the order of the plan."""
        return [self._ended[run] for run in self._runs if run in self._ended]


def _read(file: Path) -> dict[str, Outcome]:
    """The entries of an earlier call, by run.

    Raises:
        CheckpointError: the file was altered.
    """
    try:
        before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
        return {entry["run"]: Outcome(**entry) for entry in before}
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"'{file}' does not hold how runs ended ({error}).", "Remove it; finished runs are known by their folders."
        ) from error
