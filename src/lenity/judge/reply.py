"""The body of a response -> the text of a chat completion -> a score. An unparsed answer is asked again, then missing: never 0, never guessed.

An endpoint may send an error with HTTP status 200: vLLM, OpenRouter, proxies and servers that have begun to stream do. Such a body is
a :class:`Fault` and never cached as an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

TRUNCATED, WITHHELD, THOUGHT = "truncated: ", "withheld: ", "only thinking: "  # prefixes of an answer that is no score
_FAILED = {"error", "abort", "aborted"}  # values of finish_reason: the endpoint failed,
_CUT = {"length", "max_tokens", "model_length"}  # the answer reached the token limit,
_FILTERED = {"content_filter", "safety", "recitation", "blocklist", "prohibited_content", "refusal"}  # or was filtered
_THINKING = ("reasoning_content", "reasoning", "thinking")
_TEXT = {"text", "output_text"}

_SCORES = {str(score): score for score in range(11)}
_NAMES = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|seed:think)"
_OPENING = re.compile(
    rf"<{_NAMES}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>|<unused94>|<\|channel\|>(?!final)"
    r"|<\|channel>|\A(?-i:analysis)(?=\w)|\AHere(?: is|'s) my thought process:",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</{_NAMES}>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>|<unused95>|<\|channel\|>final|assistantfinal"
    r"|<channel\|>|\bHere(?: is|'s) my response:",
    re.IGNORECASE,
)
_BLOCKS = re.compile(r"\A(?:\s*<(\w[\w:.-]*)(?:\s[^<>]*)?>.*?</\1>)+", re.DOTALL)  # closed thinking of any other name
_FRAME = re.compile(
    r"</?(?:answer|response)>|<\|(?:message|end|return|im_end|eot_id|endoftext|(?:START|END)_RESPONSE|(?:begin|end)_of_(?:solution|box))\|>"
)


class Completion(NamedTuple):
    """The text of a chat completion and its token counts, where the endpoint gave them."""

    text: str
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Fault:
    """What came in place of a completion: the endpoint's message, and the HTTP status that it should have had, where it says so."""

    message: str
    status: int | None = None


def parse(text: str) -> int | None:
    r"""The score, where ``text`` is one integer from 0 to 10 and white space, after closed thinking if any; else None.

    Thinking is what reasoning models write between tags before they answer: ``<think>``, ``<thinking>``, Magistral's ``[THINK]``,
    the channels of gpt-oss, and closed tags of any name. DeepSeek's chat template opens the tag in the prompt, so the response has only
    the closing one.

    >>> parse(" 7\n"), parse("7/10"), parse("11"), parse("")
    (7, None, None, None)
    >>> parse("<think>Surely 9.</think>\n7"), parse("Surely 9.</think>7"), parse("<think>Surely 9.")
    (7, 7, None)
    """
    return _SCORES.get(_BLOCKS.sub("", _FRAME.sub("", _after_thinking(text))).strip())


def truncated(text: str) -> bool:
    """Whether the token limit cut ``text``, or its thinking is never closed.

    >>> truncated("<think>Surely 9."), truncated("<think>Surely 9.</think>"), truncated("7")
    (True, False, False)
    """
    return text.startswith(TRUNCATED) or bool(_OPENING.search(_after_thinking(text)))


def _after_thinking(text: str) -> str:
    ends = [match.end() for match in _CLOSING.finditer(text)]
    return text[ends[-1] :] if ends else text


def read(body: str | bytes) -> Completion | None:
    """The completion in ``body``; None where there is none, which :func:`fault` explains.

    A truncated or withheld answer, or one of thinking alone, has a prefix by which :func:`parse` finds no score in it.
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
        if _error(data) or finish in _FAILED:
            return None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    first, second = (count if isinstance(count, int) and 0 <= count < 2**63 else None for count in counts)
    return Completion(text.encode(errors="replace").decode(), first, second)  # a lone surrogate cannot be stored


def fault(body: str | bytes, hide: Callable[[str], str] = str) -> Fault:
    """Why :func:`read` finds no completion in ``body``; ``hide`` removes secrets from texts before they are cut."""
    text = hide(body if isinstance(body, str) else body.decode(errors="replace"))
    try:
        data = json.loads(body)
        if error := _error(data):
            message = error.get("message") if isinstance(error, dict) else error
            message = message if isinstance(message, str) else json.dumps(error)
            return Fault(
                f"an error in place of an answer: {' '.join(hide(message).split())[:300]}", _status(error, data)
            )
    except (ValueError, RecursionError):
        pass
    if text.lstrip().startswith(("data:", "event:")):
        return Fault("the response is a stream, which was not requested, and no chat completion")
    return Fault(f"the response is no chat completion ({text[:80]!r})")


def _text(message: dict[str, Any], finish: str) -> str:
    text = _joined(message.get("content"), "text", _TEXT)
    refusal = message.get("refusal") or _joined(message.get("content"), "refusal", {"refusal"})
    if refusal or finish in _FILTERED:
        return f"{WITHHELD}{refusal or text}"
    thinking = next(filter(None, map(message.get, _THINKING)), None)
    if thinking and not text.strip():
        text = f"{THOUGHT}{thinking}"
    if finish in _CUT and parse(text) in {None, 1}:  # 1 may be the beginning of 10
        return TRUNCATED + text
    return text


def _joined(content: Any, field: str, types: set[str]) -> str:
    """The text of a message's content: one string, or its parts of ``types``, without others such as thinking."""
    if isinstance(content, list):
        return "".join(_joined(part, field, types) for part in content)
    if isinstance(content, dict):
        text = content.get(field) if content.get("type", field) in types else None
        return text if isinstance(text, str) else ""
    return str(content) if field == "text" and content is not None else ""


def _error(data: Any) -> Any:
    """The error that a body holds: at the top (OpenAI, FastAPI, TGI), in a choice (OpenRouter), or flat (early vLLM); else None."""
    if not isinstance(data, dict):
        return None
    choices = data.get("choices")
    parts = [data, *(part for part in (choices if isinstance(choices, list) else []) if isinstance(part, dict))]
    errors = [part[name] for part in parts for name in ("error", "errors", "detail") if part.get(name)]
    flat = data.get("object") == "error" or (not choices and isinstance(data.get("message"), str))
    return errors[0] if errors else data if flat else None


def _status(*parts: Any) -> int | None:
    values = [part.get(name) for part in parts if isinstance(part, dict) for name in ("code", "status", "status_code")]
    return next((int(str(value)) for value in values if re.fullmatch("[45][0-9]{2}", str(value))), None)
