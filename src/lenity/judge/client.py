"""One request to an OpenAI-compatible endpoint: sent, sent again where that may help, or explained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from lenity.config.judge import JudgeConfig
from lenity.errors import JudgeError
from lenity.judge.cache import Answer
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
        self._model, self._known, self._lost = config.model, known, 0
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
        if error.refused and (self.answered or self._known):
            return True
        self._lost += 1
        return self._lost < LOST_IN_A_ROW and (self.answered or error.refused)

    async def _readable(self, request: Mapping[str, Any]) -> Answer:
        """An endpoint that has answered before may fail to; one that never has gets its retries, and is then none."""
        hide = self._endpoint.hide  # before texts are cut, so that no part of the key is left
        for _ in range(self._retries + 1):
            body = await self._send(request)
            found = _read(body)
            if found or self.answered:
                text, read, written = found or (f"unreadable: {hide(body)[:300]}", None, None)
                return Answer(hide(text), read, written, self._endpoint.url, self._model)
        raise UnansweredError(f"what it sends is no chat completion ({hide(body)[:80]!r})")

    async def _send(self, request: Mapping[str, Any]) -> str:
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
            raise self._refused(error.status_code, error) from None
        return str(raw.text)

    def _refused(self, status: int, error: APIError) -> Exception:
        said = f"{status}: {self._endpoint.hide(' '.join(_said(error).split()))[:300]}"
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


def _read(body: str) -> tuple[str, int | None, int | None] | None:
    """Text and token counts of a chat completion; None of anything else."""
    try:
        data = json.loads(body)
        text = data["choices"][0]["message"].get("content") or ""
        usage = data.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    first, second = (count if isinstance(count, int) and 0 <= count < 2**63 else None for count in counts)
    return str(text).encode(errors="replace").decode(), first, second  # half a character cannot be kept
