"""The scale of scores in the prompts of Rewards-in-Context."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lenity.rewards.standardise import Standardiser
from lenity.runs.folder import RunFolder
from lenity.storage.atomic_io import replace_text

FILE = "scores.json"


@dataclass(frozen=True)
class Scale:
    """The scale of scores in prompts: z-scores over the offline examples, and their range per objective."""

    standardiser: Standardiser
    ranges: list[tuple[float, float]]

    @property
    def names(self) -> list[str]:
        """The objectives, in the order of their scores in the prompt."""
        return list(self.standardiser.means)

    @classmethod
    def fit(cls, names: Sequence[str], raw: NDArray[np.float64]) -> Scale:
        """The scale measured on the raw scores, (n, K), of the offline examples."""
        without_ranges = cls(Standardiser.fit({name: raw[:, k].tolist() for k, name in enumerate(names)}), [])
        scores = without_ranges.apply(raw)
        return replace(without_ranges, ranges=list(zip(scores.min(0).tolist(), scores.max(0).tolist(), strict=True)))

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised scores, (n, K)."""
        columns = [self.standardiser.apply(name, raw[:, k].tolist()) for k, name in enumerate(self.names)]
        return np.array(columns, dtype=np.float64).T

    def save(self, run: RunFolder) -> None:
        """Write the scale to ``scores.json`` in the run folder."""
        self.standardiser.save(run.path / FILE)
        data = json.loads((run.path / FILE).read_text(encoding="utf-8"))
        for name, (low, high) in zip(self.names, self.ranges, strict=True):
            data[name] |= {"low": low, "high": high}
        replace_text(run.path / FILE, json.dumps(data, indent=2) + "\n")

    @classmethod
    def load(cls, run: RunFolder) -> Scale:
        """The scale that :meth:`save` wrote."""
        standardiser = Standardiser.load(run.path / FILE)
        data = json.loads((run.path / FILE).read_text(encoding="utf-8"))
        return cls(standardiser, [(float(entry["low"]), float(entry["high"])) for entry in data.values()])
