"""One request to an OpenAI-compatible endpoint: its answer, after retries, or an error that says what to change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lenity.errors import JudgeError
from lenity.judge.cache import Answer
from lenity.judge.config import JudgeConfig
from lenity.judge.endpoint import Endpoint
from lenity.judge.reply import Fault, fault, read

if TYPE_CHECKING:
    from openai import APIError

MAX_UNANSWERED = 4  # requests in a row; more than a response usually has objectives
_REMEDIES = {
    401: "Check the key in the environment variable that --api_key_env names.",
    403: "Check the key and --model: this key may not use this model.",
    404: "Check --model and the path of --endpoint, which usually ends in /v1.",
}
_REFUSED = {400, 413, 422}
_TEMPORARY = {408, 409, 429}
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds, those of the package openai


class UnansweredError(Exception):
    """One request got no answer, though others may; the next run sends it again.

    ``refused`` is whether the endpoint works and rejects this request, such as one that is too long.
    """

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class Client:
    """A client of the package openai, with its retries: on 408, 409, 429, 5xx, timeouts and lost connections, with exponential backoff."""

    def __init__(self, endpoint: Endpoint, config: JudgeConfig, *, known: bool = False) -> None:
        """``known`` is whether the cache holds answers to such requests, so that a refused one says nothing about the others."""
        try:
            import openai
        except ImportError as error:
            raise JudgeError(
                "`lenity judge` needs the package openai.", "Install it: pip install 'lenity[judge]'."
            ) from error
        self._openai, self._endpoint, self._retries = openai, endpoint, config.retries
        # a proxy that the environment names cannot reach this machine's loopback address
        http = openai.DefaultAsyncHttpxClient(trust_env=False) if endpoint.loopback else None
        self._api = openai.AsyncOpenAI(
            api_key=endpoint.key, base_url=endpoint.url, timeout=config.timeout, max_retries=config.retries, http_client=http
        )  # fmt: skip
        self._model, self.known, self._unanswered = config.model, known, 0
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
            UnansweredError: this request got no answer.
            JudgeError: the endpoint refuses every request, never answered, or left several requests in a row unanswered.
        """
        try:
            answer = await self._answer(request)
        except UnansweredError as error:
            if self._tolerates(error):
                raise
            raise self._error(
                f"gives no answer: {error}.", "Check that it runs and --endpoint, --timeout, --retries."
            ) from None
        self.answered, self._unanswered = True, 0
        return answer

    def _tolerates(self, error: UnansweredError) -> bool:
        """Whether judging goes on: up to a few errors in a row, where the endpoint has answered before or refuses the request itself."""
        if error.refused and (self.answered or self.known):
            return True
        self._unanswered += 1
        return self._unanswered < MAX_UNANSWERED and (self.answered or error.refused)

    async def _answer(self, request: Mapping[str, Any]) -> Answer:
        """The answer; a response that is no completion is retried, as the package does for an error status."""
        last = Fault("nothing was asked")
        for attempt in range(self._retries + 1):
            if attempt:
                await asyncio.sleep(min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT))
            reply = self._read(await self._send(request))
            if isinstance(reply, Answer):
                return reply
            last = reply
            if last.status is not None and last.status < 500 and last.status not in _TEMPORARY:
                raise self._refused(last.status, last.message)
        raise UnansweredError(last.message)

    def _read(self, body: bytes) -> Answer | Fault:
        hide = self._endpoint.hide  # before texts are cut, so that no part of the key is left
        if completion := read(body):
            text, read_tokens, written_tokens = completion
            return Answer(hide(text), read_tokens, written_tokens, self._endpoint.url, self._model)
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
            raise self._refused(error.status_code, _message(error)) from None
        return bytes(raw.content)

    def _refused(self, status: int, message: str) -> Exception:
        reason = f"{status}: {self._endpoint.hide(' '.join(message.split()))[:300]}"
        if status in _REMEDIES:
            return self._error(f"refuses ({reason}).", _REMEDIES[status])
        return UnansweredError(reason, refused=status in _REFUSED)

    def _error(self, what: str, remedy: str) -> JudgeError:
        kept = "All answers so far are cached; the same command resumes." if self.answered else ""
        return JudgeError(
            f"the judge at {self._endpoint.url}, model '{self._model}', {what}", f"{remedy} {kept}".rstrip()
        )


def _message(error: APIError) -> str:
    """The endpoint's own error message where it gave one; releases of the package wrap it differently."""
    body = error.body
    return str(body["message"] if isinstance(body, Mapping) and body.get("message") else error.message)
