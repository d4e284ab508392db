"""Responses on disk until they are scored, so that a reward that fails, or a crash, does not cost their generation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    from lenity.distributed.processes import Processes
    from lenity.rollout.transformers import Response


@contextmanager
def kept(
    folder: Path, parts: Sequence[Any], make: Callable[[], list[Response]], processes: Processes
) -> Iterator[list[Response]]:
    """What ``make`` gives, or gave before a scoring that failed; forgotten once the block has ended well.

    Args:
        folder: where they are kept.
        parts: all that they depend on, as JSON takes it.
        make: generates.
        processes: make them together; the first keeps them.
    """
    key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    file = folder / f".answers-{key}.json"
    responses = processes.broadcast_from_first(lambda: _read(file))
    if responses is None:
        responses = make()
        if processes.first:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
                replace_text(file, json.dumps([asdict(response) for response in responses]) + "\n")
    yield responses
    if processes.first:
        file.unlink(missing_ok=True)


def _read(file: Path) -> list[Response] | None:
    from lenity.rollout.transformers import Response

    try:
        return [Response(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):  # none, or not as we wrote it
        return None
