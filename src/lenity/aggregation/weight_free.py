"""Methods whose training does not look at the weights: one training serves every weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field

from lenity.aggregation.base import Rule

if TYPE_CHECKING:
    from lenity.config.run import RunConfig
    from lenity.run_folder import RunFolder


class WeightFree(Rule):
    """A method that trains once; runs at other weights take the adapter of that run."""

    source: str | None = Field(
        None, description="take the adapter of this run instead of training; `lenity sweep` fills it in"
    )

    @property
    def weight_free(self) -> bool:
        """Whether these settings ignore the weights."""
        return True

    @property
    def builds(self) -> bool:
        """Whether the adapter is another run's."""
        return self.source is not None

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Take the adapter of ``source``."""
        if self.source:
            run.take(self.source)

    @property
    def sources(self) -> tuple[str, ...]:
        """The run that trained."""
        return (self.source,) if self.source else ()

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Rule | str, Mapping[str, float]]]:
        """The run at the first point trains for all."""
        return [(self, points[0])] if self.weight_free and self.source is None and points else []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """With the run that trained."""
        return self.model_copy(update={"source": runs[0].output}) if runs else self
