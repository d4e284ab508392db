"""Standardisation of rewards: (score - mean) / std, with constants measured once on the reference policy and then frozen."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lenity.errors import CheckpointError, RewardError
from lenity.storage.atomic_io import replace_text, writing

if TYPE_CHECKING:
    from lenity.config.evaluating import Scale


@dataclass(frozen=True)
class Standardiser:
    """Mean, standard deviation and number of calibration responses of each reward, by name."""

    means: Mapping[str, float]
    stds: Mapping[str, float]
    counts: Mapping[str, int]

    @classmethod
    def fit(cls, scores: Mapping[str, Sequence[float]]) -> Standardiser:
        """The constants measured on raw scores of the reference policy's responses; NaN, a missing score, is left out.

        Raises:
            RewardError: a reward gives every response the same score.
        """
        scored = {name: [score for score in column if not math.isnan(score)] for name, column in scores.items()}
        for name, column in scored.items():
            if len(set(column)) < 2 or not np.std(column) > 0:
                raise RewardError(
                    f"reward '{name}' gave all {len(column)} calibration responses the score {column[0] if column else math.nan:g}; "
                    "it cannot be standardised and gives no training signal.",
                    "Check its template and label, or calibrate on more prompts.",
                )
        means = {name: float(np.mean(column)) for name, column in scored.items()}
        stds = {name: float(np.std(column, ddof=1)) for name, column in scored.items()}
        return cls(means, stds, {name: len(column) for name, column in scored.items()})

    def extended(self, scores: Mapping[str, Sequence[float]]) -> Standardiser:
        """These constants, and constants measured on ``scores`` for rewards that have none."""
        new = {name: column for name, column in scores.items() if name not in self.means}
        if not new:
            return self
        more = Standardiser.fit(new)
        return Standardiser({**self.means, **more.means}, {**self.stds, **more.stds}, {**self.counts, **more.counts})

    def replaced(self, constants: Mapping[str, Scale]) -> Standardiser:
        """These constants, with some replaced by ``constants``, which were measured elsewhere."""
        means = {name: scale.mean for name, scale in constants.items()}
        stds = {name: scale.std for name, scale in constants.items()}
        return Standardiser({**self.means, **means}, {**self.stds, **stds}, {**dict.fromkeys(means, 0), **self.counts})

    def without(self, names: Collection[str]) -> Standardiser:
        """These constants, without those of the rewards ``names``."""
        means, stds = (
            {name: x for name, x in column.items() if name not in names} for column in (self.means, self.stds)
        )
        return Standardiser(means, stds, {name: count for name, count in self.counts.items() if name not in names})

    def apply(self, name: str, scores: Sequence[float]) -> list[float]:
        """The standardised scores; NaN stays NaN."""
        return [(score - self.means[name]) / self.stds[name] for score in scores]

    def save(self, path: Path) -> None:
        """Write ``{name: {mean, std, n}}`` as JSON, atomically."""
        data = {name: {"mean": self.means[name], "std": self.stds[name], "n": self.counts[name]} for name in self.means}
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_text(path, json.dumps(data, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Standardiser:
        """The constants that :meth:`save` wrote.

        Raises:
            CheckpointError: the file is missing or has other contents.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            columns = [{name: entry[key] for name, entry in data.items()} for key in ("mean", "std", "n")]
        except FileNotFoundError as error:
            raise CheckpointError(f"standardisation constants '{path}' not found.", "Check the path.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"'{path}' does not hold {{name: {{mean, std, n}}}}: {error}.", "Remove it to calibrate again."
            ) from error
        return cls(*columns)

    def require(self, names: Sequence[str], path: str) -> None:
        """Raise ``CheckpointError`` if a reward has no constants."""
        if missing := [name for name in names if name not in self.means]:
            raise CheckpointError(
                f"'{path}' has no constants for {missing}, only for {sorted(self.means)}.",
                "Remove it to calibrate again.",
            )
