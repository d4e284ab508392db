"""One request to an OpenAI-compatible endpoint: sent, sent again where that may help, or explained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lenity.errors import JudgeError
from lenity.judge.cache import Answer
from lenity.judge.completion import Fault, fault
from lenity.judge.completion import read as _read
from lenity.judge.config import JudgeConfig
from lenity.judge.endpoint import Endpoint

if TYPE_CHECKING:
    from openai import APIError

LOST_IN_A_ROW = 4  # more than one response has objectives, as a rule
_REMEDIES = {
    401: "Check the key in the environment variable that --api_key_env names.",
    403: "The key may not use this model; check both.",
    404: "Check --model and the path of --endpoint, which usually ends in /v1.",
}
_REFUSED = {400, 413, 422}
_PASSING = {408, 409, 429}
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds, as the package waits


class UnansweredError(Exception):
    """One question got no answer, though others may; it is asked again by the next run.

    ``refused`` where the endpoint works and does not take this request, such as one that is too long.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class Client:
    """Retries of the `openai` package: exponential backoff with jitter, Retry-After, on 408, 409, 429, 5xx, timeouts and lost connections."""

    def __init__(self, endpoint: Endpoint, config: JudgeConfig, *, known: bool = False) -> None:
        """``known`` where the cache has answers to such requests, so that one that is refused is an exception."""
        try:
            import openai
        except ImportError as error:
            raise JudgeError(
                "`lenity judge` needs the package openai.", "Install it: pip install 'lenity[judge]'."
            ) from error
        self._openai, self._endpoint, self._retries = openai, endpoint, config.retries
        # a proxy from the environment cannot reach this machine's own loopback
        http = openai.DefaultAsyncHttpxClient(trust_env=False) if endpoint.loopback else None
        self._api = openai.AsyncOpenAI(
            api_key=endpoint.key, base_url=endpoint.url, timeout=config.timeout, max_retries=config.retries, http_client=http
        )  # fmt: skip
        self._model, self.known, self._lost = config.model, known, 0
        self.answered = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def ask(self, request: Mapping[str, Any]) -> Answer:
        """The answer to a chat request.

        Raises:
            UnansweredError: none to this one.
            JudgeError: the endpoint refuses, or is taken for dead: nothing came yet, or several in a row got no answer.
        """
        try:
            answer = await self._readable(request)
        except UnansweredError as error:
            if self._bears(error):
                raise
            raise self._error(
                f"gives no answer: {error}.", "Check that it runs and --endpoint, --timeout, --retries."
            ) from None
        self.answered, self._lost = True, 0
        return answer

    def _bears(self, error: UnansweredError) -> bool:
        """Whether the endpoint may be fine; one that never answered is given up at once, unless it refuses a few requests."""
        if error.refused and (self.answered or self.known):
            return True
        self._lost += 1
        return self._lost < LOST_IN_A_ROW and (self.answered or error.refused)

    async def _readable(self, request: Mapping[str, Any]) -> Answer:
        """What is no completion is asked for again, as the package does after a status that says so, and is never an answer."""
        wrong = Fault("nothing was asked")
        for attempt in range(self._retries + 1):
            if attempt:
                await asyncio.sleep(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))
            found = self._read(await self._send(request))
            if isinstance(found, Answer):
                return found
            wrong = found
            if wrong.status is not None and wrong.status < 500 and wrong.status not in _PASSING:
                raise self._refused(wrong.status, wrong.said)
        raise UnansweredError(wrong.said)

    def _read(self, body: bytes) -> Answer | Fault:
        hide = self._endpoint.hide  # before texts are cut, so that no part of the key is left
        if found := _read(body):
            text, read, written = found
            return Answer(hide(text), read, written, self._endpoint.url, self._model)
        return fault(body, hide)

    async def _send(self, request: Mapping[str, Any]) -> bytes:
        rest = {name: value for name, value in request.items() if name not in {"model", "messages"}}
        try:
            raw = await self._api.chat.completions.with_raw_response.create(
                model=request["model"], messages=request["messages"], extra_body=rest
            )
        except self._openai.APITimeoutError:
            raise UnansweredError("the requests time out") from None
        except self._openai.APIConnectionError as error:
            raise UnansweredError(f"no connection ({type(error.__cause__ or error).__name__})") from None
        except self._openai.APIStatusError as error:
            raise self._refused(error.status_code, _said(error)) from None
        return bytes(raw.content)

    def _refused(self, status: int, said: str) -> Exception:
        said = f"{status}: {self._endpoint.hide(' '.join(said.split()))[:300]}"
        if status in _REMEDIES:
            return self._error(f"refuses ({said}).", _REMEDIES[status])
        return UnansweredError(said, refused=status in _REFUSED)

    def _error(self, what: str, remedy: str) -> JudgeError:
        kept = "What was answered is kept; the same command goes on." if self.answered else ""
        return JudgeError(
            f"the judge at {self._endpoint.url}, model '{self._model}', {what}", f"{remedy} {kept}".rstrip()
        )


def _said(error: APIError) -> str:
    """The endpoint's own words where it gave any; releases of the package wrap them differently."""
    body = error.body
    return str(body["message"] if isinstance(body, Mapping) and body.get("message") else error.message)
