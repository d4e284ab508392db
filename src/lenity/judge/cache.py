"""Raw answers in ``judge.sqlite``, each written as it arrives, so that nothing is paid for twice and a killed run resumes.

An answer's key is a hash of the request, the repeat and the attempt. The endpoint's address is a column and no part of the key, so a
server restarted on another port keeps its answers. API keys are never written.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Self

from lenity.errors import CheckpointError

FILE = "judge.sqlite"
_SETUP = (
    "pragma journal_mode = wal",
    "pragma synchronous = normal",
    """create table if not exists answers (key text primary key, answer text not null, prompt_tokens integer,
       completion_tokens integer, endpoint text not null, model text not null, time text not null default current_timestamp)""",
    # earlier releases stored errors sent in place of answers, and the repr of lists of parts
    """create temp view broken as select key from answers
       where answer glob 'unreadable: *' or answer glob '{"error"*' or answer glob '[[]{''*'""",
)
_GET = """select answer, prompt_tokens, completion_tokens, endpoint, model from answers
    where key = ? and not exists (select 1 from broken where broken.key = answers.key)"""
_DROP = "delete from answers where key = ? and exists (select 1 from broken where broken.key = answers.key)"
_PUT = "insert or ignore into answers (answer, prompt_tokens, completion_tokens, endpoint, model, key) values (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Answer:
    """A model's answer; token counts are None where the endpoint gave none."""

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    endpoint: str = ""
    model: str = ""


class Cache:
    """A context manager. An answer survives a crash of the process once :meth:`put` returns; a power failure may lose the last ones."""

    def __init__(self, folder: Path, *, write: bool = True) -> None:
        self._file = folder / FILE
        self._place = self._file if write or self._file.is_file() else ":memory:"

    def __enter__(self) -> Self:
        with self._errors():
            self._connection = sqlite3.connect(self._place, timeout=30, isolation_level=None)
            try:
                for statement in _SETUP:
                    self._connection.execute(statement)
            except sqlite3.Error:
                self._connection.close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, key: str) -> Answer | None:
        """The answer under ``key``; None without one, or where an earlier release stored an error in its place."""
        with self._errors():
            row = self._connection.execute(_GET, [key]).fetchone()
        return Answer(*row) if row else None

    def put(self, key: str, answer: Answer) -> None:
        """Store an answer, unless there is one under ``key``."""
        with self._errors():
            self._connection.execute(_DROP, [key])
            self._connection.execute(_PUT, [*astuple(answer), key])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise CheckpointError(
                f"the judge's answers in '{self._file}' cannot be used: {error}.",
                "Make room or fix the permission; if the file is broken, move it away: its questions are then asked again.",
            ) from error


def key(request: Mapping[str, Any], repeat: int, attempt: int) -> str:
    """The hash under which the answer to ``request`` at a ``repeat`` and ``attempt`` is stored."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{text} {repeat} {attempt}".encode()).hexdigest()
