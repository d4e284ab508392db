"""Questions asked until each has a score or no attempt left. Cached answers are not asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from lenity.judge.cache import Answer, Cache, key
from lenity.judge.client import Client, UnansweredError
from lenity.judge.config import JudgeConfig
from lenity.judge.questions import Question
from lenity.judge.reply import parse

PATIENCE = 8  # finished queries without a single score, after which judging stops
LAST_ANSWERS = 5.0  # seconds


class NoScoreError(Exception):
    """The first queries to finish, ``queries``, have no score."""

    def __init__(self, queries: Sequence[Query]) -> None:
        super().__init__(len(queries))
        self.queries = queries


class Query:
    """One question at one repeat, with its answers so far: at first those in ``cache``.

    ``unanswered`` is why the endpoint gave no answer, or empty.
    """

    def __init__(self, question: Question, repeat: int, config: JudgeConfig, cache: Cache) -> None:
        self.question, self.repeat, self._config, self._cache = question, repeat, config, cache
        self.answers: list[Answer] = []
        self.unanswered = ""
        while not self.finished and (cached := cache.get(key(self._request(), repeat, len(self.answers)))):
            self.answers.append(cached)
        self.from_cache = len(self.answers)

    @property
    def score(self) -> int | None:
        """The first score among the answers, which is the last answer; None while there is none."""
        return parse(self.answers[-1].text) if self.answers else None

    @property
    def failures(self) -> int:
        """How many answers are no score."""
        return len(self.answers) - (self.score is not None)

    @property
    def finished(self) -> bool:
        """Whether there is a score, or no attempt left."""
        return self.score is not None or len(self.answers) > self._config.parse_retries

    async def finish(self, client: Client, sent: set[asyncio.Future[None]]) -> None:
        """Ask until :attr:`finished`, or until a request gets no answer, which sets ``unanswered``.

        Requests in ``sent`` continue where this coroutine is cancelled.
        """
        try:
            while not self.finished:
                request = asyncio.ensure_future(self._ask(client))
                sent.add(request)
                request.add_done_callback(sent.discard)
                await asyncio.shield(request)
        except UnansweredError as error:
            self.unanswered = str(error)

    async def _ask(self, client: Client) -> None:
        request = self._request()
        answer = await client.ask(request)
        self._cache.put(key(request, self.repeat, len(self.answers)), answer)
        self.answers.append(answer)

    def _request(self) -> dict[str, object]:
        return self.question.request(self._config, self.repeat, len(self.answers))


async def finish_all(
    queries: Sequence[Query], client: Client, concurrency: int, advance: Callable[..., None] = lambda: None
) -> None:
    """Finish all queries, ``concurrency`` at once; one at a time until the first answer, so that a wrong key or address costs one request.

    Judging stops where the first ``PATIENCE`` queries to finish have no score; their answers are cached. Wherever it stops, requests
    already sent are awaited for up to ``LAST_ANSWERS`` seconds, since they are paid for.

    Raises:
        JudgeError: the endpoint refuses, or does not respond.
        NoScoreError: none of the first queries has a score.
    """
    queue = iter(queries)
    ended: list[Query] = []
    sent: set[asyncio.Future[None]] = set()

    async def finish(query: Query) -> None:
        await query.finish(client, sent)
        advance()
        if not (query.unanswered and client.known):  # a resumed run may ask nothing but what failed before
            ended.append(query)
        if len(ended) >= PATIENCE and all(each.score is None for each in ended):
            raise NoScoreError(list(ended))

    async def work() -> None:
        for query in queue:
            await finish(query)

    async with client, _awaiting(sent):
        for first in queue:
            await finish(first)
            if client.answered:
                break
        tasks = [asyncio.ensure_future(work()) for _ in range(min(concurrency, len(queries)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            await _cancel(tasks)


@asynccontextmanager
async def _awaiting(sent: set[asyncio.Future[None]]) -> AsyncIterator[None]:
    """At the end of the block, waits for the requests in ``sent``, at most ``LAST_ANSWERS`` seconds, and cancels the rest."""
    try:
        yield
    finally:
        if pending := list(sent):
            await asyncio.wait(pending, timeout=LAST_ANSWERS)
            await _cancel(pending)


async def _cancel(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
