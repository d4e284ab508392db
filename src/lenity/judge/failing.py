"""Why a judge gives no score at all, told with one of its answers and the option to change."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.errors import JudgeError
from lenity.judge.asking import Asking
from lenity.judge.completion import THOUGHT, WITHHELD
from lenity.judge.config import JudgeConfig
from lenity.judge.reply import truncated

_SHOWN = 120  # characters of an answer
_NO_THINKING = "turn its thinking off, at vLLM with --extra '{chat_template_kwargs: {enable_thinking: false}}'"


def no_score(askings: Sequence[Asking], config: JudgeConfig, url: str) -> JudgeError:
    """The error to end with where ``askings``, which have ended, got none.

    >>> no_score([], JudgeConfig(endpoint="http://127.0.0.1:8000/v1", model="m"), "http://127.0.0.1:8000/v1").what
    "the judge at http://127.0.0.1:8000/v1, model 'm', answers no question."
    """
    judge = f"the judge at {url}, model '{config.model}',"
    answers = [answer.text for asking in askings for answer in asking.answers]
    if not answers:
        lost = next((f": {asking.lost}" for asking in askings if asking.lost), "")
        return JudgeError(
            f"{judge} answers no question{lost}.",
            "Check --model and the fields of the request, such as --max_tokens, --temperature and --extra.",
        )
    cut = [text for text in answers if truncated(text)]
    text = (cut or answers)[-1]
    what = f"gave no integer from 0 to 10 in any of {len(answers)} answers to {len(askings)} questions, such as {_short(text)}."
    return JudgeError(f"{judge} {what}", f"{_remedy(text, config)} Every answer is kept and none is paid twice.")


def _remedy(text: str, config: JudgeConfig) -> str:
    if truncated(text):
        limit = "the endpoint's own limit" if config.max_tokens is None else f"--max_tokens {config.max_tokens}"
        return f"It was cut by {limit}: set a larger --max_tokens for a judge that thinks first, or {_NO_THINKING}, or name another --model."
    if text.startswith(THOUGHT):
        return f"It thought and then said nothing: set a larger --max_tokens, or {_NO_THINKING}."
    if text.startswith(WITHHELD):
        return "It does not rate these texts: name another --model."
    return "Name a --model that answers with the integer alone, or ask it again more often with --parse_retries."


def _short(text: str) -> str:
    """Beginning and end, on one line, without control characters."""
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}")
