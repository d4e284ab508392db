"""The grid of weights and seeds that methods share, and their scores on it as arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.errors import ProtocolError
from lenity.evaluation.table import paired
from lenity.report.collect import Run
from lenity.report.places import Block, blocks, of_methods, place

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Weights and seeds at which each of ``methods`` has a run.

    ``complete`` is whether all responses to a prompt have scores, ``asked`` whether any were asked for, (prompts,) each.
    """

    methods: list[str]
    weights: list[dict[str, float]]
    seeds: list[int]
    columns: list[str]
    runs_at: dict[tuple[str, str, int], Run]
    complete: NDArray[np.bool_]
    asked: NDArray[np.bool_]

    @classmethod
    def of(cls, runs: Sequence[Run], columns: list[str], block: Block | None = None) -> Grid:
        """The grid of ``block``; default: of the largest, see :func:`lenity.report.places.blocks`; empty where nothing is shared."""
        if block is None:
            check_prompts(runs, columns)
            block = next(iter(blocks(of_methods(runs))), Block((), (), ()))
        runs_at = {(run.method, *place(run)): run for run in runs}
        weights = {place(run)[0]: run.weights for run in runs if place(run)[0] in block.weights}
        compared = [runs_at[method, *where] for method in block.methods for where in block.places] or list(runs)
        complete = np.asarray(np.isfinite(runs[0].scores(columns, "reference")).all(axis=1))
        for run in compared:
            complete &= np.isfinite(run.scores(columns)).all(axis=1)
        if not complete.any():
            raise ProtocolError(
                f"no prompt has a score of {', '.join(columns)} for every response.", "Score the responses again."
            )
        seeds = list(block.seeds)
        return cls(
            list(block.methods), list(weights.values()), seeds, columns, runs_at, complete, _asked(runs[0], columns)
        )

    @property
    def prompts(self) -> int:
        """Number of prompts whose responses all have scores."""
        return int(self.complete.sum())

    @property
    def missing(self) -> int:
        """Number of prompts left out because the score of a response is missing."""
        return int((self.asked & ~self.complete).sum())

    @property
    def unasked(self) -> int:
        """Number of prompts that the judge was not asked about."""
        return int((~self.asked).sum())

    def stack(self, method: str, column: str = "standardised") -> Array:
        """Scores of ``method``, (seeds, points, prompts, K)."""
        keys = [
            [(method, json.dumps(weights, sort_keys=True), seed) for weights in self.weights] for seed in self.seeds
        ]
        return np.array(
            [[self.runs_at[key].scores(self.columns, column=column)[self.complete] for key in row] for row in keys]
        )

    def start(self, column: str = "standardised") -> Array:
        """Scores of the reference policy, repeated per seed, (seeds, 1, prompts, K)."""
        scores = next(iter(self.runs_at.values())).scores(self.columns, "reference", column)[self.complete]
        return np.broadcast_to(scores, (max(len(self.seeds), 1), 1, *scores.shape))


def _asked(run: Run, columns: list[str]) -> NDArray[np.bool_]:
    """Whether there are rows of scores for each prompt, even where a score is missing, (prompts,)."""
    frame = run.frame
    rated = set(frame.loc[frame["objective"].isin(columns), "prompt_id"].astype(str))
    return np.array([prompt in rated for prompt in paired(frame, "reference", columns)[0]])


def check_prompts(runs: Sequence[Run], columns: list[str]) -> None:
    """Raise ProtocolError where prompts or the reference policy's scores differ between runs, also of runs without a protocol."""
    ids, start = paired(runs[0].frame, "reference", columns)
    for run in runs:
        others, scores = paired(run.frame, "reference", columns)
        if others != ids or paired(run.frame, "aligned", columns)[0] != ids:
            raise ProtocolError(
                f"{run.place} was evaluated on other prompts than {runs[0].place}.",
                "Evaluate both with the same settings.",
            )
        if not np.allclose(scores, start, equal_nan=True):
            raise ProtocolError(
                f"{run.place} and {runs[0].place} differ in the reference policy's scores.",
                "Evaluate both with one standardisation.json.",
            )
