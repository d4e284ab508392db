"""What the user reads: the estimate before the first request, and the error where the judge gives no score at all."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.errors import JudgeError
from lenity.judge.config import JudgeConfig
from lenity.judge.queries import Query
from lenity.judge.reply import THOUGHT, WITHHELD, truncated

_CHARACTERS = 4  # per token, about
_SHOWN = 120  # characters of an answer
_NO_THINKING = "turn its thinking off, at vLLM with --extra '{chat_template_kwargs: {enable_thinking: false}}'"


def estimate(queries: Sequence[Query], config: JudgeConfig) -> str:
    """How many questions are open, with how many tokens, at what cost; a few lines of text."""
    ahead = [query for query in queries if not query.finished]
    objectives = ", ".join(dict.fromkeys(query.question.objective for query in queries))
    repeats = f", {config.repeats} times each" if config.repeats > 1 else ""
    questions = len({query.question for query in queries})
    head = f"{questions:,} questions ({objectives}){repeats}: {len(queries) - len(ahead):,} of {len(queries):,} already answered"
    if not ahead:
        return f"{head}; nothing to ask."
    read = sum(len(query.question.system) + len(query.question.user) for query in ahead) // _CHARACTERS
    written = None if config.max_tokens is None else config.max_tokens * len(ahead)
    limit = "output tokens without a limit" if written is None else f"at most {written:,} output tokens"
    return (
        f"{head}.\nTo ask: {len(ahead):,}, about {read:,} input tokens, {limit}{_cost(read, written, config)}, and more for each answer "
        f"that has to be asked for again; the time left is shown after the first answers.{_hint(config)}"
    )


def _hint(config: JudgeConfig) -> str:
    """A note that repeats at temperature 0 measure little."""
    if config.repeats == 1 or config.temperature != 0:
        return ""
    return (
        f"\nAt temperature 0 the {config.repeats} repeats differ in their seed alone, and most judges then repeat the same answer; set "
        "--temperature to measure how much the scores vary."
    )


def _cost(read: int, written: int | None, config: JudgeConfig) -> str:
    if config.input_price is None and config.output_price is None:
        return ""
    inward = (config.input_price or 0) * read / 1e6
    if written is None and config.output_price:
        return f", about {inward:,.2f} for the input at the prices given, and without --max_tokens no upper bound for the output"
    outward = (config.output_price or 0) * (written or 0) / 1e6
    return f", about {inward:,.2f} + at most {outward:,.2f} = {inward + outward:,.2f} at the prices given"


def no_score(queries: Sequence[Query], config: JudgeConfig, url: str) -> JudgeError:
    """The error where ``queries``, all finished, have no score: with one of the answers and the option to change.

    >>> no_score([], JudgeConfig(endpoint="http://127.0.0.1:8000/v1", model="m"), "http://127.0.0.1:8000/v1").what
    "the judge at http://127.0.0.1:8000/v1, model 'm', answers no question."
    """
    judge = f"the judge at {url}, model '{config.model}',"
    answers = [answer.text for query in queries for answer in query.answers]
    if not answers:
        reason = next((f": {query.unanswered}" for query in queries if query.unanswered), "")
        return JudgeError(
            f"{judge} answers no question{reason}.",
            "Check --model and the fields of the request, such as --max_tokens, --temperature and --extra.",
        )
    cut = [text for text in answers if truncated(text)]
    text = (cut or answers)[-1]
    what = f"gave no integer from 0 to 10 in any of {len(answers)} answers to {len(queries)} questions, such as {_short(text)}."
    return JudgeError(f"{judge} {what}", f"{_remedy(text, config)} All answers are cached; none is paid for twice.")


def _remedy(text: str, config: JudgeConfig) -> str:
    if truncated(text):
        limit = "the endpoint's own token limit" if config.max_tokens is None else f"--max_tokens {config.max_tokens}"
        return f"The answer was truncated by {limit}: set a larger --max_tokens for a judge that thinks first, or {_NO_THINKING}, or name another --model."
    if text.startswith(THOUGHT):
        return f"The answer is thinking alone: set a larger --max_tokens, or {_NO_THINKING}."
    if text.startswith(WITHHELD):
        return "The judge refuses to rate these texts: name another --model."
    return "Name a --model that answers with the integer alone, or allow more attempts with --parse_retries."


def _short(text: str) -> str:
    """Beginning and end of ``text``, on one line, without control characters."""
    text = " ".join(text.split())
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}")
