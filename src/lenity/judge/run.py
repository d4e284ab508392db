"""A folder of evaluated runs -> ``judge.parquet`` and ``judge.json`` in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.console.progress import track
from lenity.errors import DataError, JudgeError
from lenity.evaluation.score import write
from lenity.judge import endpoint, questions, tally
from lenity.judge.asking import Asking, FruitlessError, finish_all
from lenity.judge.cache import Cache
from lenity.judge.client import Client
from lenity.judge.config import JudgeConfig
from lenity.judge.endpoint import Endpoint
from lenity.judge.estimate import estimate
from lenity.judge.failing import no_score
from lenity.judge.rubrics import choose
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    import pandas as pd

TABLE, SUMMARY = "judge.parquet", "judge.json"


@dataclass(frozen=True)
class Judged:
    """The runs' rows, the scores (see :func:`lenity.judge.tally.frame`), the summary, and why there is no score, where there is none."""

    runs: Mapping[str, pd.DataFrame]
    scores: pd.DataFrame
    summary: Mapping[str, Any]
    failure: JudgeError | None = None


def judge(
    folder: Path, config: JudgeConfig, notify: Callable[[str], None] = lambda text: None, *, dry_run: bool = False, progress: bool = False
) -> Judged | None:  # fmt: skip
    """Rate all responses of the runs in ``folder``; what was answered before is not asked again.

    Args:
        folder: of a run or a sweep, evaluated.
        config: the judge.
        notify: gets the estimate, before anything is asked.
        dry_run: stop after the estimate; None is returned and nothing written.
        progress: show how far it is.

    Raises:
        DataError: there is nothing to judge.
        JudgeError: the endpoint refuses or is dead, or the first questions get no score; what was answered is kept.
    """
    where = endpoint.find(config, key=not dry_run)
    if where.unencrypted:
        notify(f"The key goes to {where.url} unencrypted; use https:// where others can listen.")
    runs = questions.read_runs(folder)
    rubrics = choose(config.objectives, questions.trained(runs), config.rubrics)
    asked = questions.questions(questions.distinct(runs, config.limit), rubrics)
    if not asked:
        raise DataError(
            f"the evaluated runs in '{folder}' hold no response, so there is nothing to judge.", "Evaluate them again."
        )
    with Cache(folder, write=not dry_run) as cache:
        askings = [Asking(question, repeat, config, cache) for question in asked for repeat in range(config.repeats)]
        notify(estimate(askings, config))
        if dry_run:
            return None
        _finish(askings, where, config, progress)
    failure = None if any(asking.score is not None for asking in askings) else no_score(askings, config, where.url)
    found = Judged(runs, tally.frame(askings), tally.summary(askings, config, where.url, rubrics), failure)
    with writing(folder):
        write(found.scores, folder / TABLE)
        replace_text(folder / SUMMARY, json.dumps(found.summary, indent=2, ensure_ascii=False) + "\n")
    return found


def _finish(askings: list[Asking], where: Endpoint, config: JudgeConfig, progress: bool) -> None:
    ahead = [asking for asking in askings if not asking.finished]
    if not ahead:
        return
    before = len(askings) - len(ahead)
    with track("judging", len(askings), before, unit="questions", settings=config.logging, shown=progress) as advance:
        client = Client(where, config, known=any(asking.answers for asking in askings))
        try:
            asyncio.run(finish_all(ahead, client, config.concurrency, advance))
        except FruitlessError as error:
            raise no_score(error.askings, config, where.url) from None
    if not any(asking.answers for asking in askings):
        raise no_score(ahead, config, where.url)
