"""Rewarded Soups: any weighting from one single-objective run an objective, without training (arXiv 2306.04488)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import Field

from lenity.aggregation.base import RULES, DerivedMethod
from lenity.errors import CheckpointError
from lenity.models.soup import Mode

if TYPE_CHECKING:
    from lenity.config.run import RunConfig
    from lenity.run_folder import RunFolder


@RULES.register("soups")
class Soups(DerivedMethod):
    """theta(w) = sum_k w_k theta_k over adapters of SOLO runs that start from one model."""

    mode: Mode = Field("exact", description="exact averages the updates; factors averages A and B apart, as published")
    solo: dict[str, str] = Field({}, description="run folder of each objective's SOLO run; `lenity sweep` fills it in")

    needs = "solo"
    cost = "one SOLO run and adapter an objective in all; a weighting costs nothing"

    def from_runs(self, folders: Mapping[str, str]) -> Self:
        """With the SOLO run of each objective."""
        return self.model_copy(update={"solo": dict(folders)})

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write the adapter.

        Raises:
            CheckpointError: an objective of positive weight has no finished SOLO run.
            ModelError: the adapters cannot be averaged.
        """
        from lenity.models.soup import save_soup

        missing = [name for name, weight in config.weights.items() if weight and name not in self.solo]
        if missing:
            raise CheckpointError(
                f"method.solo names no run for {missing}; give each objective's finished SOLO run, as {{{missing[0]}: runs/...}}."
            )
        adapters = {name: Path(folder) / "adapter" for name, folder in self.solo.items()}
        save_soup(adapters, config.weights, run.adapter, self.mode)
