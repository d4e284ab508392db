"""Methods whose training does not look at the weights: one training serves every weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from lenity.rules.base import Rule
from lenity.rules.shared import Shared

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig


class WeightFree(Shared):
    """A method that trains once; runs at other weights take the adapter of that run."""

    @property
    def weight_free(self) -> bool:
        """Whether these settings ignore the weights."""
        return True

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Rule | str, Mapping[str, float]]]:
        """The run at the first point trains for all."""
        return [(self, points[0])] if self.weight_free and self.source is None and points else []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """With the run that trained."""
        return self.taken_from(runs[0]) if runs else self
