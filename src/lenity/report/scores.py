"""The responses and scores of all runs on the same prompts, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lenity.report.collect import Run, measuring
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Scale = Literal["raw", "standardised"]


@dataclass(frozen=True)
class Scored:
    """One policy's responses in the order of prompt ids; scores are (prompts, columns), NaN where missing."""

    raw: Array
    standardised: Array
    tokens: Array
    finished: Array
    kl: Array
    responses: list[str]


@dataclass(frozen=True)
class Scores:
    """Scores of the reference policy, which all runs share, and of each run's policy, in the order of the runs."""

    columns: list[str]
    prompts: list[str]
    reference: Scored
    aligned: list[Scored]

    @classmethod
    def of(cls, evidence: Evidence) -> Scores:
        """The scores of ``evidence`` in all columns of all views and those that measure a trained objective otherwise."""
        shown = [name for one in evidence.comparisons for name in one.view.columns.values()]
        columns = list(dict.fromkeys([*shown, *evidence.runs[0].weights, *measuring(evidence.runs)]))
        first = evidence.runs[0].frame
        prompts = first.drop_duplicates("prompt_id").sort_values("prompt_id")["prompt"].astype(str).tolist()
        aligned = [_scored(run.frame, "aligned", columns) for run in evidence.runs]
        return cls(columns, prompts, _scored(first, "reference", columns), aligned)

    def places(self, columns: Sequence[str]) -> list[int]:
        """Positions of ``columns``."""
        return [self.columns.index(name) for name in columns]

    def stack(self, runs: Sequence[int], columns: Sequence[str], scale: Scale = "raw") -> Array:
        """Scores of ``runs``, (runs, prompts, K)."""
        at = self.places(columns)
        return np.array([getattr(self.aligned[run], scale)[:, at] for run in runs])

    def start(self, columns: Sequence[str], scale: Scale = "raw") -> Array:
        """Scores of the reference policy, (prompts, K)."""
        start: Array = getattr(self.reference, scale)[:, self.places(columns)]
        return start


def complete(runs: Sequence[Run], comparison: Comparison, scores: Scores) -> NDArray[np.bool_]:
    """Whether all responses to a prompt in a comparison have scores, (prompts,)."""
    columns = list(comparison.view.columns.values())
    known = np.asarray(np.isfinite(scores.start(columns)).all(axis=1))
    methods = {one.method for one in comparison.methods}
    for place, run in enumerate(runs):
        if run.method in methods and run.weights in comparison.weights and run.seed in comparison.seeds:
            known &= np.isfinite(scores.stack([place], columns)[0]).all(axis=1)
    return known


def _scored(frame: pd.DataFrame, policy: str, columns: list[str]) -> Scored:
    part = frame[frame["policy"] == policy]
    each = part.drop_duplicates("prompt_id").sort_values("prompt_id")
    raw, standardised = (
        part.pivot(index="prompt_id", columns="objective", values=scale)
        .sort_index()[columns]
        .to_numpy(dtype=np.float64)
        for scale in ("raw", "standardised")
    )
    tokens, finished, kl = (each[name].to_numpy(dtype=np.float64) for name in ("response_tokens", "finished", "kl"))
    return Scored(raw, standardised, tokens, finished, kl, each["response"].astype(str).tolist())
