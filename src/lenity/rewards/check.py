"""Refuses scores that training must not see."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lenity.errors import RewardError


def check_scores(name: str, scores: Sequence[float | None], n: int) -> list[float]:
    """``scores`` as floats; ``RewardError`` where there are not ``n`` finite ones, with the row indices."""
    if len(scores) != n:
        raise RewardError(
            f"reward '{name}' gave {len(scores)} scores for {n} responses; return one for each, in order."
        )
    values = [math.nan if score is None else float(score) for score in scores]
    if bad := [row for row, value in enumerate(values) if not math.isfinite(value)]:
        shown = ", ".join(f"row {row}: {scores[row]}" for row in bad[:8])
        raise RewardError(
            f"reward '{name}' is not a finite number for {len(bad)} of {n} responses ({shown}); return a number for any text, the empty one too."
        )
    return values
