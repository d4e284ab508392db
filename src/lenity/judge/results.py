"""The results of a judging: the table of scores, its summary, and mean scores before and after alignment."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenity.evaluation.table import Change
from lenity.judge.config import JudgeConfig
from lenity.judge.queries import Query
from lenity.judge.reply import truncated
from lenity.judge.rubrics import REMINDER, TEMPLATE
from lenity.pareto import confidence

if TYPE_CHECKING:
    import pandas as pd

    from lenity.judge.questions import Question

_SETTINGS = ("temperature", "seed", "repeats", "limit", "max_tokens", "parse_retries", "extra")


def frame(queries: Iterable[Query]) -> pd.DataFrame:
    """One row per response and objective.

    Columns ``prompt_id``, ``response``, ``objective``, ``score`` (mean over the repeats with a score, NaN without any), ``answers``
    (repeats with a score), ``failures`` (answers that are no score) and ``spread`` (standard deviation over repeats, NaN below two).
    """
    import pandas as pd

    by_question: dict[Question, list[Query]] = defaultdict(list)
    for query in queries:
        by_question[query.question].append(query)
    return pd.DataFrame([_row(question, repeats) for question, repeats in by_question.items()])


def _row(question: Question, repeats: Sequence[Query]) -> dict[str, Any]:
    scores = [query.score for query in repeats if query.score is not None]
    return {
        "prompt_id": question.prompt_id, "response": question.response, "objective": question.objective,
        "score": statistics.fmean(scores) if scores else math.nan, "answers": len(scores),
        "failures": sum(query.failures for query in repeats),
        "spread": statistics.stdev(scores) if len(scores) > 1 else math.nan,
    }  # fmt: skip


def summary(queries: Sequence[Query], config: JudgeConfig, endpoint: str, rubrics: Mapping[str, str]) -> dict[str, Any]:
    """The content of ``judge.json``: judge, settings, counts of answers, failures and tokens."""
    answers = [answer for query in queries for answer in query.answers]
    failures = sum(query.failures for query in queries)
    low, high = wilson(failures, len(answers))
    table = frame(queries)
    return {
        "model": config.model,
        "endpoint": endpoint,
        "answered_by": dict(Counter(answer.endpoint for answer in answers)),
        "rubrics": {name: _sha256(f"{text}\0{TEMPLATE}\0{REMINDER}") for name, text in rubrics.items()},
        **{name: getattr(config, name) for name in _SETTINGS},
        "questions": len(table),
        "calls": len(answers) - sum(query.from_cache for query in queries),
        "from_cache": sum(query.from_cache for query in queries),
        "parse_failures": failures,
        "parse_failure_rate": {"value": failures / len(answers) if answers else None, "low": low, "high": high},
        "truncated": sum(truncated(answer.text) for answer in answers),
        "missing_scores": int(table["score"].isna().sum()),
        "without_answer": dict(Counter(query.unanswered for query in queries if query.unanswered)),
        "prompt_tokens": sum(answer.prompt_tokens or 0 for answer in answers),
        "completion_tokens": sum(answer.completion_tokens or 0 for answer in answers),
    }


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, 1927); [0, 1] where ``total`` is 0.

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


def changes(runs: Mapping[str, pd.DataFrame], judged: pd.DataFrame) -> Iterator[tuple[str, str, Change | None, int]]:
    """Per run and objective: the change over the prompts with both scores (None without any), and how many prompts lack one."""
    for name, rows in runs.items():
        responses = rows.drop_duplicates(["policy", "prompt_id"])[["policy", "prompt_id", "response"]]
        scored = responses.merge(judged, on=["prompt_id", "response"])
        for objective, part in scored.groupby("objective", sort=False):
            table = part.pivot(index="prompt_id", columns="policy", values="score")
            both = table.reindex(columns=["reference", "aligned"]).dropna()
            yield name, str(objective), _change(str(objective), both) if len(both) else None, len(table) - len(both)


def _change(objective: str, both: pd.DataFrame) -> Change:
    before, after = (both[policy].to_numpy(dtype=float) for policy in ("reference", "aligned"))
    difference = confidence.difference(after, before)
    return Change(objective, False, confidence.mean(before), confidence.mean(after), difference, len(both))


def table(runs: Mapping[str, pd.DataFrame], judged: pd.DataFrame, title: str, room: int) -> Any:
    """A rich rendering of :func:`changes`, one block per run, with the number of prompts that lack a score.

    All blocks have the same column widths where ``room``, the width of the terminal, allows it; else cells are wrapped.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = list(changes(runs, judged))
    wide = max((len(objective) for _, objective, *_ in rows), default=0)
    columns = {"": wide, "before": 17, "after": 17, "difference": 20, " ": 0}
    aligned = sum(columns.values()) + 2 * len(columns) <= room
    parts: list[Any] = [Text(f"{title}, with 95 % intervals", style="italic")]
    for run in dict.fromkeys(name for name, *_ in rows):
        own = [row[1:] for row in rows if row[0] == run]
        lacking = ", ".join(f"{missing} of {objective}" for objective, _, missing in own if missing)
        name = Text(run + (f" (missing pairs: {lacking})" if lacking else ""), style="bold")
        block = Table(box=None, padding=(0, 2, 0, 0), title=name, title_justify="left")
        for heading, width in columns.items():
            justify: Any = "right" if heading.strip() else "left"
            block.add_column(heading, justify=justify, min_width=width if aligned else None, no_wrap=aligned)
        for objective, change, _ in own:
            block.add_row(*map(Text, (objective, *_cells(change))))
        parts.append(block)
    return Group(*parts)


def _cells(change: Change | None) -> tuple[str, ...]:
    if change is None:
        return "–", "–", "–", ""
    intervals = (change.before, change.after, change.difference)
    means = (f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]" for interval in intervals)
    return (*means, change.verdict if change.difference.excludes_zero else "")
