"""Rewarded Soups: policies at any weights from one single-objective run per objective, without further training (arXiv 2306.04488)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from lenity.config.sections import Average
from lenity.errors import CheckpointError, ConfigError
from lenity.methods.building import Built
from lenity.pareto import weights
from lenity.rules.presets import Presets
from lenity.runs.method import METHODS, Method
from lenity.runs.work import Work

if TYPE_CHECKING:
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder


@METHODS.register("soups")
class Soups(Built):
    """The weighted average theta(w) = sum_k w_k theta_k of the adapters of SOLO runs that start from the same model."""

    mode: Average = Field(
        "exact",
        description="exact averages the weight updates; factors averages the LoRA factors A and B separately, as published",
    )
    solo: dict[str, str] = Field({}, description="run folder of each objective's SOLO run; `lenity sweep` sets it")

    shorthand = "mode"
    presets: ClassVar[Presets] = {"paper": {"method": {"mode": "factors"}}}
    paper = "arXiv 2306.04488"
    equation = "θ(w) = Σ w_k θ_k; exact: ΔW = Σ w_k s_k B_k A_k"
    cost = "one SOLO run and adapter per objective in total; further weightings need no training"
    pitfalls = "averaging the factors A and B separately, as published, does not average the updates; weights that do not sum to 1 rescale them"

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise ``ConfigError`` if ``solo`` has a name that is not an objective."""
        if unknown := set(self.solo) - set(weights):
            raise ConfigError(
                f"method.solo has {sorted(unknown)}, but the objectives are {list(weights)}.",
                "Name each run by its objective.",
            )

    @property
    def sources(self) -> tuple[str, ...]:
        """The folders of the SOLO runs."""
        return tuple(self.solo.values())

    def alone(self) -> Self:
        """The method without the SOLO runs."""
        return self.model_copy(update={"solo": {}})

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Method | str, Mapping[str, float]]]:
        """One SOLO run per corner of the weight simplex."""
        return [("solo", corner) for corner in weights.corners(objectives)]

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """The method with ``runs`` as the SOLO run of each objective."""
        return self.model_copy(
            update={"solo": {max(run.weights, key=run.weights.__getitem__): run.output for run in runs}}
        )

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write the average of the SOLO runs' adapters at the run's weights.

        Raises:
            CheckpointError: an objective of positive weight has no finished SOLO run.
            ModelError: the adapters cannot be averaged.
        """
        from lenity.models.soup import save_soup
        from lenity.storage.atomic_io import replacing_folder, writing

        missing = [name for name, weight in config.weights.items() if weight and name not in self.solo]
        if missing:
            raise CheckpointError(
                f"method.solo names no run for {missing}.",
                f"Give each objective's finished SOLO run, as {{{missing[0]}: runs/...}}.",
            )
        adapters = {name: Path(folder) / "adapter" for name, folder in self.solo.items()}
        with writing(run.path), replacing_folder(run.adapter) as partial:
            save_soup(adapters, config.weights, partial, self.mode)

    def work(self, config: RunConfig, prompts: int) -> Work:
        """No work: averaging takes negligible time."""
        return Work()
