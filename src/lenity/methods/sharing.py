"""Methods whose training may serve more than one run: the others take its adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field

from lenity.runs.method import Method

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig


class Sharing(Method):
    """A method that trains, or takes what another run trained; one whose training ignores the weights trains once for all."""

    source: str | None = Field(
        None, description="take the adapter of this run instead of training; `lenity sweep` fills it in"
    )

    @property
    def once(self) -> bool:
        """Whether one training serves every weighting."""
        return False

    def taken_from(self, run: RunConfig) -> Self:
        """The method with the adapter of ``run``."""
        return self.model_copy(update={"source": run.output})

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Method | str, Mapping[str, float]]]:
        """The run at the first point, where it trains for all."""
        return [(self, points[0])] if self.once and self.source is None and points else []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """With the run that trained."""
        return self.taken_from(runs[0]) if runs else self

    @property
    def sources(self) -> tuple[str, ...]:
        """The run that trained."""
        return (self.source,) if self.source else ()

    def alone(self) -> Self:
        """Without ``source``."""
        return self.model_copy(update={"source": None})
