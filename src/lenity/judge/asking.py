"""Asks until each answer is a score or the attempts are spent; what is in the cache is not asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from lenity.judge.cache import Answer, Cache, key
from lenity.judge.client import Client, UnansweredError
from lenity.judge.config import JudgeConfig
from lenity.judge.questions import Question
from lenity.judge.reply import parse

FRUITLESS = 8  # questions without a score, before any has one, are enough to know
LAST_ANSWERS = 5.0  # seconds


class FruitlessError(Exception):
    """The first questions, which are ``askings``, ended without a score."""

    def __init__(self, askings: Sequence[Asking]) -> None:
        super().__init__(len(askings))
        self.askings = askings


class Asking:
    """One question at one repeat, and the answers to it so far, first those that ``cache`` has."""

    def __init__(self, question: Question, repeat: int, config: JudgeConfig, cache: Cache) -> None:
        self.question, self.repeat, self._config, self._cache = question, repeat, config, cache
        self.answers: list[Answer] = []
        self.lost = ""
        while not self.finished and (known := cache.get(key(self._request(), repeat, len(self.answers)))):
            self.answers.append(known)
        self.recalled = len(self.answers)

    @property
    def score(self) -> int | None:
        """The first answer that is one."""
        return parse(self.answers[-1].text) if self.answers else None

    @property
    def failures(self) -> int:
        """Answers that are no score."""
        return len(self.answers) - (self.score is not None)

    @property
    def finished(self) -> bool:
        """Whether there is a score, or no attempt left."""
        return self.score is not None or len(self.answers) > self._config.parse_retries

    async def finish(self, client: Client, sent: set[asyncio.Future[None]]) -> None:
        """Ask until :attr:`finished`, or until a request gets no answer; then ``lost`` says why.

        What is ``sent`` goes on where this is cancelled.
        """
        try:
            while not self.finished:
                asked = asyncio.ensure_future(self._ask(client))
                sent.add(asked)
                asked.add_done_callback(sent.discard)
                await asyncio.shield(asked)
        except UnansweredError as error:
            self.lost = str(error)

    async def _ask(self, client: Client) -> None:
        request = self._request()
        answer = await client.ask(request)
        self._cache.put(key(request, self.repeat, len(self.answers)), answer)
        self.answers.append(answer)

    def _request(self) -> dict[str, object]:
        return self.question.request(self._config, self.repeat, len(self.answers))


async def finish_all(
    askings: Sequence[Asking], client: Client, concurrency: int, advance: Callable[..., None] = lambda: None
) -> None:
    """Finish all, ``concurrency`` at once. The first go alone until one is answered: a wrong key or address costs one request.

    It stops where the first that end have no score, ``FRUITLESS`` of them; the answers so far are in the cache. Wherever it stops,
    what is on its way is waited for, since it is paid: ``LAST_ANSWERS`` seconds.

    Raises:
        JudgeError: the endpoint refuses or is dead.
        FruitlessError: none of the first had a score.
    """
    queue = iter(askings)
    ended: list[Asking] = []
    sent: set[asyncio.Future[None]] = set()

    async def finish(asking: Asking) -> None:
        await asking.finish(client, sent)
        advance()
        if not (asking.lost and client.known):  # what an earlier run asked in vain is all that this one asks
            ended.append(asking)
        if len(ended) >= FRUITLESS and all(each.score is None for each in ended):
            raise FruitlessError(list(ended))

    async def work() -> None:
        for asking in queue:
            await finish(asking)

    async with client, _waiting(sent):
        for first in queue:
            await finish(first)
            if client.answered:
                break
        tasks = [asyncio.ensure_future(work()) for _ in range(min(concurrency, len(askings)))]
        try:
            await asyncio.gather(*tasks)
        finally:
            await _cancel(tasks)


@asynccontextmanager
async def _waiting(sent: set[asyncio.Future[None]]) -> AsyncIterator[None]:
    """Afterwards the answers to what is ``sent`` have come, or their time is over."""
    try:
        yield
    finally:
        if left := list(sent):
            await asyncio.wait(left, timeout=LAST_ANSWERS)
            await _cancel(left)


async def _cancel(tasks: Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
