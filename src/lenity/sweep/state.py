"""The progress of a run, read from its folder."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.config.base import member_name
from lenity.errors import LenityError
from lenity.runs.changes import EVALUATED
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.runs.method import METHODS


@dataclass(frozen=True)
class State:
    """The progress of a run: ``rows`` of about ``of`` iterations or stages are done; ``last`` holds the metrics of the last."""

    rows: int
    of: int
    last: dict[str, Any] | None


def state(config: RunConfig) -> State:
    """The state of a run, which another process may be writing at the same time."""
    file = Path(config.output) / "metrics.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.is_file() else []
    last = _row(lines[-1]) if lines else None
    of, tokens = config.method.work(config, 0).rows, config.budget.tokens
    if tokens and last and config.method.loop_rule is not None:
        of = min(config.iterations, math.ceil(tokens / last["tokens"]))
    return State(len(lines), max(of, len(lines)), last)


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError:  # a crash truncated the line, and the next one was appended to it
        return None
    return row


def done(config: RunConfig) -> bool:
    """Whether the run has been trained and evaluated as ``config`` says."""
    folder = RunFolder(config.output)
    try:
        finished = folder.finished
    except LenityError:
        return False
    saved = folder.config
    same = all(getattr(saved, field) == getattr(config, field) for field in ("iterations", "budget", *EVALUATED))
    return finished and same and (folder.path / "evaluation.parquet").is_file()


def method_of(config: RunConfig) -> str:
    """The name of the run's method, as tables show it."""
    return member_name(config.method, METHODS)


def short(run: str) -> str:
    """The last two parts of a run folder's path: method and point."""
    return "/".join(Path(run).parts[-2:])
