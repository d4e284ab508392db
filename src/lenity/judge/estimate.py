"""What will be asked and what it may cost, said before anything is."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.judge.asking import Asking
from lenity.judge.config import JudgeConfig

_CHARACTERS = 4  # of a token, about


def estimate(askings: Sequence[Asking], config: JudgeConfig) -> str:
    """A few lines of text."""
    ahead = [asking for asking in askings if not asking.finished]
    objectives = ", ".join(dict.fromkeys(asking.question.objective for asking in askings))
    repeats = f", {config.repeats} times each" if config.repeats > 1 else ""
    questions = len({asking.question for asking in askings})
    head = f"{questions:,} questions ({objectives}){repeats}: {len(askings) - len(ahead):,} of {len(askings):,} answered before"
    if not ahead:
        return f"{head}; nothing to ask."
    read = sum(len(asking.question.system) + len(asking.question.user) for asking in ahead) // _CHARACTERS
    written = None if config.max_tokens is None else config.max_tokens * len(ahead)
    limit = "as many written as the judge likes" if written is None else f"at most {written:,} written"
    return (
        f"{head}.\nTo ask: {len(ahead):,}, about {read:,} tokens read, {limit}{_cost(read, written, config)}, more where an answer "
        f"has to be asked for again; the time is known after the first answers.{_hint(config)}"
    )


def _hint(config: JudgeConfig) -> str:
    """What repeats are worth where the judge does not sample."""
    if config.repeats == 1 or config.temperature != 0:
        return ""
    return (
        f"\nAt temperature 0 the {config.repeats} repeats differ in their seed alone, and most judges answer all alike; set --temperature "
        "to see how sure the judge is."
    )


def _cost(read: int, written: int | None, config: JudgeConfig) -> str:
    if config.input_price is None and config.output_price is None:
        return ""
    inward = (config.input_price or 0) * read / 1e6
    if written is None and config.output_price:
        return (
            f", about {inward:,.2f} to read at the prices given, and no bound on what is written without --max_tokens"
        )
    outward = (config.output_price or 0) * (written or 0) / 1e6
    return f", about {inward:,.2f} + at most {outward:,.2f} = {inward + outward:,.2f} at the prices given"
