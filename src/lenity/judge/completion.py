"""The body of a response, read as a chat completion; anything else is an error of the endpoint, and no answer.

An endpoint may send an error with HTTP 200: vLLM, OpenRouter, proxies and servers that have begun to answer do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lenity.judge.reply import TRUNCATED, parse

_BROKEN = {"error", "abort", "aborted"}  # reasons to finish: the endpoint failed,
_CUT = {"length", "max_tokens", "model_length"}  # the limit of tokens came,
_WITHHELD = {
    "content_filter",
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "refusal",
}  # or it may not say
WITHHELD, THOUGHT = "withheld: ", "only thinking: "  # before the text of an answer that is none
_THINKING = ("reasoning_content", "reasoning", "thinking")
_TEXT = {"text", "output_text"}

Read = tuple[str, int | None, int | None]


@dataclass(frozen=True)
class Fault:
    """What came in place of a completion: the endpoint's own words, and the HTTP status that it should have had, if it says."""

    said: str
    status: int | None = None


def read(body: str | bytes) -> Read | None:
    """Text and token counts of a chat completion; None of anything else, which :func:`fault` explains.

    An answer that was cut or withheld, or that is nothing but thinking, is told in a text that is no score.
    """
    try:
        data = json.loads(body)
        choice = data["choices"][0]
        finish = str(choice.get("finish_reason")).lower()
        text = _text(choice["message"], finish)
        usage = data.get("usage")
        counts = [
            usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")
        ]
        if _error(data) or finish in _BROKEN:
            return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    first, second = (count if isinstance(count, int) and 0 <= count < 2**63 else None for count in counts)
    return text.encode(errors="replace").decode(), first, second  # half a character cannot be kept


def fault(body: str | bytes, hide: Callable[[str], str] = str) -> Fault:
    """Why :func:`read` finds no completion in ``body``; ``hide`` takes secrets out of texts before they are cut."""
    text = hide(body if isinstance(body, str) else body.decode(errors="replace"))
    try:
        data = json.loads(body)
        if error := _error(data):
            said = error.get("message") if isinstance(error, dict) else error
            said = said if isinstance(said, str) else json.dumps(error)
            return Fault(f"an error in place of an answer: {' '.join(hide(said).split())[:300]}", _status(error, data))
    except (ValueError, RecursionError):
        pass
    if text.lstrip().startswith(("data:", "event:")):
        return Fault("what it sends is a stream, which was not asked for, and no chat completion")
    return Fault(f"what it sends is no chat completion ({text[:80]!r})")


def _text(message: dict[str, Any], finish: str) -> str:
    text = _joined(message.get("content"), "text", _TEXT)
    refusal = message.get("refusal") or _joined(message.get("content"), "refusal", {"refusal"})
    if refusal or finish in _WITHHELD:
        return f"{WITHHELD}{refusal or text}"
    thinking = next(filter(None, map(message.get, _THINKING)), None)
    if thinking and not text.strip():
        text = f"{THOUGHT}{thinking}"
    if finish in _CUT and parse(text) in {None, 1}:  # 1 may be the beginning of 10
        return TRUNCATED + text
    return text


def _joined(content: Any, field: str, types: set[str]) -> str:
    """The text of a message's content: one text, or parts, of which those of other types, such as thinking, are left out."""
    if isinstance(content, list):
        return "".join(_joined(part, field, types) for part in content)
    if isinstance(content, dict):
        found = content.get(field) if content.get("type", field) in types else None
        return found if isinstance(found, str) else ""
    return str(content) if field == "text" and content is not None else ""


def _error(data: Any) -> Any:
    """What a body says of an error: as OpenAI, FastAPI and TGI do, in a choice as OpenRouter does, or flat as vLLM once did."""
    if not isinstance(data, dict):
        return None
    choices = data.get("choices")
    parts = [data, *(part for part in (choices if isinstance(choices, list) else []) if isinstance(part, dict))]
    found = [part[name] for part in parts for name in ("error", "errors", "detail") if part.get(name)]
    flat = data.get("object") == "error" or (not choices and isinstance(data.get("message"), str))
    return found[0] if found else data if flat else None


def _status(*places: Any) -> int | None:
    found = [
        place.get(name) for place in places if isinstance(place, dict) for name in ("code", "status", "status_code")
    ]
    return next((int(str(value)) for value in found if re.fullmatch("[45][0-9]{2}", str(value))), None)
