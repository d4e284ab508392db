"""Runs that take the adapter of another run in place of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field

from lenity.rules.base import Rule
from lenity.rules.work import Work

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder


class Shared(Rule):
    """A method that trains, or takes what another run trained."""

    source: str | None = Field(
        None, description="take the adapter of this run instead of training; `lenity sweep` fills it in"
    )

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """The name of another method whose training at ``weights`` is this one's to the last bit, if there is one."""
        return None

    def taken_from(self, run: RunConfig) -> Self:
        """The method with the adapter of ``run``."""
        return self.model_copy(update={"source": run.output})

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

    def alone(self) -> Self:
        """Without ``source``."""
        return self.model_copy(update={"source": None})

    def work(self, config: RunConfig, prompts: int) -> Work:
        """None where the adapter is another run's."""
        return Work() if self.source else super().work(config, prompts)
