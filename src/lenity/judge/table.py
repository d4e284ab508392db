"""The judge's mean scores before and after alignment, paired by prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lenity.evaluation.table import Change
from lenity.pareto import confidence

if TYPE_CHECKING:
    import pandas as pd


def changes(runs: Mapping[str, pd.DataFrame], judged: pd.DataFrame) -> Iterator[tuple[str, str, Change | None, int]]:
    """Run, objective, the change over the prompts that have both scores (None without any), and how many prompts lack one."""
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
    """A rich rendering of :func:`changes`, a block a run; prompts that lack a score are counted where there are any.

    Columns of all blocks are alike where ``room``, the columns of the terminal, allows it; else cells are wrapped.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = list(changes(runs, judged))
    wide = max((len(objective) for _, objective, *_ in rows), default=0)
    columns = {"": wide, "before": 17, "after": 17, "difference": 20, " ": 0}
    alike = sum(columns.values()) + 2 * len(columns) <= room
    parts: list[Any] = [Text(f"{title}, with 95 % intervals", style="italic")]
    for run in dict.fromkeys(name for name, *_ in rows):
        own = [row[1:] for row in rows if row[0] == run]
        lacking = ", ".join(f"{missing} of {objective}" for objective, _, missing in own if missing)
        name = Text(run + (f" (missing pairs: {lacking})" if lacking else ""), style="bold")
        block = Table(box=None, padding=(0, 2, 0, 0), title=name, title_justify="left")
        for heading, width in columns.items():
            justify: Any = "right" if heading.strip() else "left"
            block.add_column(heading, justify=justify, min_width=width if alike else None, no_wrap=alike)
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
