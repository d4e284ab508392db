"""``sweep.json``: the outcome of each run of a sweep, written as the run ends."""

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
    """The outcome of one run of a sweep.

    Args:
        run: the run's folder.
        seconds: time of the run.
        error: message, if the run failed.
        made_for: the methods that need the run, if it was not requested itself; empty if it was; None in an older record.
    """

    run: str
    seconds: float
    error: str | None = None
    made_for: Sequence[str] | None = None


class Record:
    """One outcome per run, in the order of the plan, followed by earlier calls' runs that the plan does not have.

    The outcome of an earlier call stays until the same run ends again.
    """

    def __init__(
        self, output: Path, configs: Sequence[RunConfig], made_for: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._file, self._runs = output / FILE, [config.output for config in configs]
        self._earlier, self._made_for = _read(self._file), made_for or {}
        self._ended: dict[str, Outcome] = {}
        self.kept = {config.output for config in configs if done(config)}

    def add(self, outcome: Outcome) -> Outcome:
        """The outcome as written to the file.

        A run that was done before this call keeps its recorded seconds; a run that an earlier call requested stays requested.
        """
        before = self._earlier.get(outcome.run)
        requested = before is not None and before.made_for == []
        outcome = replace(outcome, made_for=[] if requested else list(self._made_for.get(outcome.run, [])))
        if before and outcome.run in self.kept and outcome.error is None:
            outcome = replace(outcome, seconds=before.seconds)
        self._ended[outcome.run] = outcome
        outcomes = self._earlier | self._ended
        order = dict.fromkeys([*self._runs, *self._earlier])
        entries = [asdict(outcomes[run]) for run in order if run in outcomes]
        replace_text(self._file, json.dumps(entries, indent=2) + "\n")
        return outcome

    def failed(self, run: str) -> bool:
        """Whether ``run`` has failed in this call."""
        return run in self._ended and self._ended[run].error is not None

    def awaits(self, run: str) -> bool:
        """Whether ``run`` is in the plan and has not ended in this call."""
        return run in self._runs and run not in self._ended

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of this call, in the order of the plan."""
        return [self._ended[run] for run in self._runs if run in self._ended]


def _read(file: Path) -> dict[str, Outcome]:
    """The outcomes that ``file`` holds, by run; empty if there is no file.

    Raises:
        CheckpointError: the file cannot be parsed.
    """
    try:
        before = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
        return {entry["run"]: Outcome(**entry) for entry in before}
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"'{file}' is not a record of a sweep ({error}).",
            "Remove it; finished runs are recognised by their folders.",
        ) from error
