"""Evaluated runs in a folder -> ``judge.parquet`` and ``judge.json`` in the same folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.console.progress import track
from lenity.errors import DataError, JudgeError
from lenity.judge import endpoint, questions, results
from lenity.judge.cache import Cache
from lenity.judge.client import Client
from lenity.judge.config import JudgeConfig
from lenity.judge.endpoint import Endpoint
from lenity.judge.messages import estimate, no_score
from lenity.judge.queries import NoScoreError, Query, finish_all
from lenity.judge.rubrics import choose
from lenity.storage.atomic_io import replace_table, replace_text, writing

if TYPE_CHECKING:
    import pandas as pd

TABLE, SUMMARY = "judge.parquet", "judge.json"


@dataclass(frozen=True)
class Judged:
    """The runs' evaluations, the scores (see :func:`lenity.judge.results.frame`), the summary, and the error where no response got a score."""

    runs: Mapping[str, pd.DataFrame]
    scores: pd.DataFrame
    summary: Mapping[str, Any]
    failure: JudgeError | None = None


def judge(
    folder: Path, config: JudgeConfig, notify: Callable[[str], None] = lambda text: None, *, dry_run: bool = False, progress: bool = False
) -> Judged | None:  # fmt: skip
    """The judge's scores of all responses of the runs in ``folder``; cached answers are not asked for again.

    Args:
        folder: an evaluated run or sweep.
        config: the judge.
        notify: receives the estimate before the first request.
        dry_run: stop after the estimate: returns None and writes nothing.
        progress: show progress.

    Raises:
        DataError: the runs hold no response.
        JudgeError: the endpoint refuses or does not respond, or the first questions get no score; all answers so far stay cached.
    """
    where = endpoint.find(config, key=not dry_run)
    if where.unencrypted:
        notify(f"The key is sent to {where.url} unencrypted; use https:// on a network that you do not trust.")
    runs = questions.read_runs(folder)
    rubrics = choose(config.objectives, questions.trained(runs), config.rubrics)
    to_ask = questions.questions(questions.distinct(runs, config.limit), rubrics)
    if not to_ask:
        raise DataError(
            f"the evaluated runs in '{folder}' hold no response, so there is nothing to judge.", "Evaluate them again."
        )
    with Cache(folder, write=not dry_run) as cache:
        queries = [Query(question, repeat, config, cache) for question in to_ask for repeat in range(config.repeats)]
        notify(estimate(queries, config))
        if dry_run:
            return None
        _finish(queries, where, config, progress)
    failure = None if any(query.score is not None for query in queries) else no_score(queries, config, where.url)
    judged = Judged(runs, results.frame(queries), results.summary(queries, config, where.url, rubrics), failure)
    with writing(folder):
        replace_table(folder / TABLE, judged.scores)
        replace_text(folder / SUMMARY, json.dumps(judged.summary, indent=2, ensure_ascii=False) + "\n")
    return judged


def _finish(queries: list[Query], where: Endpoint, config: JudgeConfig, progress: bool) -> None:
    ahead = [query for query in queries if not query.finished]
    if not ahead:
        return
    before = len(queries) - len(ahead)
    with track("judging", len(queries), before, unit="questions", settings=config.logging, shown=progress) as advance:
        client = Client(where, config, known=any(query.answers for query in queries))
        try:
            asyncio.run(finish_all(ahead, client, config.concurrency, advance))
        except NoScoreError as error:
            raise no_score(error.queries, config, where.url) from None
    if not any(query.answers for query in queries):
        raise no_score(ahead, config, where.url)
