"""Scores before and after alignment, per objective, with paired intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lenity.errors import ProtocolError
from lenity.pareto import confidence
from lenity.pareto.confidence import Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Change:
    """Mean raw scores of one objective of one run, over ``prompts`` prompts."""

    objective: str
    held_out: bool
    before: Interval
    after: Interval
    difference: Interval
    prompts: int

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` where the paired interval excludes 0, else ``no clear change``."""
        if not self.difference.excludes_zero:
            return "no clear change"
        return "better" if self.difference.value > 0 else "worse"


def paired(
    frame: pd.DataFrame, policy: str, objectives: list[str], column: str = "standardised"
) -> tuple[list[str], Any]:
    """Sorted prompt ids, and scores (prompts, K) of one policy of one run.

    Raises:
        ProtocolError: an objective has no scores.
    """
    part = frame[frame["policy"] == policy]
    table = part.pivot(index="prompt_id", columns="objective", values=column).sort_index()
    if missing := [name for name in objectives if name not in table.columns]:
        raise ProtocolError(
            f"the {policy} policy has no scores of {missing}.", f"Name some of {', '.join(table.columns)}."
        )
    return [str(i) for i in table.index], table[objectives].to_numpy(dtype=np.float64)


def changes(frame: pd.DataFrame, column: str = "raw") -> list[Change]:
    """One :class:`Change` per objective, in the order of the rows: trained ones, then held-out ones.

    Raises:
        ProtocolError: the two policies were scored on different prompts.
    """
    result = []
    for name in frame["objective"].drop_duplicates():
        ids, before = paired(frame, "reference", [name], column)
        others, after = paired(frame, "aligned", [name], column)
        if ids != others:
            raise ProtocolError(
                f"reference and aligned policy were scored on different prompts for '{name}'.",
                "Evaluate the run again.",
            )
        first, second = before[:, 0], after[:, 0]
        held_out = bool(frame.loc[frame["objective"] == name, "held_out"].iloc[0])
        difference = confidence.difference(second, first)
        result.append(Change(name, held_out, confidence.mean(first), confidence.mean(second), difference, len(ids)))
    return result


def mean_kl(frame: pd.DataFrame) -> Interval:
    """Mean KL of the aligned policy from the reference policy, nats per response."""
    aligned = frame[frame["policy"] == "aligned"].drop_duplicates("prompt_id")
    return confidence.mean(aligned["kl"].to_numpy(dtype=np.float64))


def table(frame: pd.DataFrame, title: str) -> Any:
    """A rich table of :func:`changes`."""
    from rich.table import Table

    rows = changes(frame)
    result = Table(
        title=f"{title} · {rows[0].prompts} prompts · KL {mean_kl(frame).value:.2f} nats per response",
        title_justify="left",
    )
    for heading in ("objective", "before", "after", "difference [95 % interval]", ""):
        result.add_column(heading, justify="left" if heading in {"objective", ""} else "right")
    for change in rows:
        name = change.objective + (" (held out)" if change.held_out else "")
        result.add_row(
            name, f"{change.before.value:.3f}", f"{change.after.value:.3f}", str(change.difference), change.verdict
        )
    return result
