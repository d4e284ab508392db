"""The base class of methods whose adapter can be trained by one run and taken by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field

from lenity.runs.method import Method

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig


class Sharing(Method):
    """A method that trains, or takes the adapter of another run; if training ignores the weights, one run trains for all weightings."""

    source: str | None = Field(
        None, description="run folder whose adapter is taken instead of training; `lenity sweep` sets it"
    )

    @property
    def once(self) -> bool:
        """Whether one run trains for all weightings."""
        return False

    def taken_from(self, run: RunConfig) -> Self:
        """The method that takes the adapter of ``run``."""
        return self.model_copy(update={"source": run.output})

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Method | str, Mapping[str, float]]]:
        """The run at the first point if it trains for all points; otherwise none."""
        return [(self, points[0])] if self.once and self.source is None and points else []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """The method that takes the adapter of the first of ``runs``; itself if there are none."""
        return self.taken_from(runs[0]) if runs else self

    @property
    def sources(self) -> tuple[str, ...]:
        """The folder of the run whose adapter is taken, if any."""
        return (self.source,) if self.source else ()

    def alone(self) -> Self:
        """The method without ``source``."""
        return self.model_copy(update={"source": None})
