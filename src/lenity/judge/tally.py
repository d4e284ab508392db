"""What came of it: a row a response and objective, and how the judge was asked and how it answered."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenity.judge.asking import Asking
from lenity.judge.config import JudgeConfig
from lenity.judge.reply import truncated
from lenity.judge.rubrics import REMINDER, TEMPLATE

if TYPE_CHECKING:
    import pandas as pd

    from lenity.judge.questions import Question

_ASKED = ("temperature", "seed", "repeats", "limit", "max_tokens", "parse_retries", "extra")


def frame(askings: Iterable[Asking]) -> pd.DataFrame:
    """Columns ``prompt_id``, ``response``, ``objective``, ``score`` (mean over the repeats that gave one, else NaN), ``answers`` (how
    many gave one), ``failures`` (answers that were none) and ``spread`` (standard deviation over repeats, NaN below two).
    """
    import pandas as pd

    by_question: dict[Question, list[Asking]] = defaultdict(list)
    for asking in askings:
        by_question[asking.question].append(asking)
    return pd.DataFrame([_row(question, asked) for question, asked in by_question.items()])


def _row(question: Question, asked: Sequence[Asking]) -> dict[str, Any]:
    scores = [asking.score for asking in asked if asking.score is not None]
    return {
        "prompt_id": question.prompt_id, "response": question.response, "objective": question.objective,
        "score": statistics.fmean(scores) if scores else math.nan, "answers": len(scores),
        "failures": sum(asking.failures for asking in asked),
        "spread": statistics.stdev(scores) if len(scores) > 1 else math.nan,
    }  # fmt: skip


def summary(
    askings: Sequence[Asking], config: JudgeConfig, endpoint: str, rubrics: Mapping[str, str]
) -> dict[str, Any]:
    """Everything about the judging but the scores, as plain data."""
    answers = [answer for asking in askings for answer in asking.answers]
    failures = sum(asking.failures for asking in askings)
    low, high = wilson(failures, len(answers))
    lost = Counter(asking.lost for asking in askings if asking.lost)
    table = frame(askings)
    return {
        "model": config.model,
        "endpoint": endpoint,
        "answered_by": dict(Counter(answer.endpoint for answer in answers)),
        "rubrics": {name: _sha256(f"{text}\0{TEMPLATE}\0{REMINDER}") for name, text in rubrics.items()},
        **{name: getattr(config, name) for name in _ASKED},
        "questions": len(table),
        "calls": len(answers) - sum(asking.recalled for asking in askings),
        "from_cache": sum(asking.recalled for asking in askings),
        "parse_failures": failures,
        "parse_failure_rate": {"value": failures / len(answers) if answers else None, "low": low, "high": high},
        "truncated": sum(truncated(answer.text) for answer in answers),
        "missing_scores": int(table["score"].isna().sum()),
        "without_answer": dict(lost),
        "prompt_tokens": sum(answer.prompt_tokens or 0 for answer in answers),
        "completion_tokens": sum(answer.completion_tokens or 0 for answer in answers),
    }


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, 1927); all of [0, 1] where ``total`` is 0.

    >>> [round(end, 4) for end in wilson(0, 100)]
    [0.0, 0.037]
    """
    if not total:
        return 0.0, 1.0
    z, share = statistics.NormalDist().inv_cdf(0.975), count / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, middle - half), min(1.0, middle + half)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
