"""Escape rate, harm rate and regret of every setting against linear scalarisation, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from lenity.errors import ProtocolError
from lenity.pareto import confidence
from lenity.pareto.confidence import Interval
from studies.leniency.settings import Setting

Array = NDArray[np.float64]
MARGIN = 0.01
NEGLIGIBLE = 1e-4  # of the attainable range; less is how far rules have converged


@dataclass(frozen=True)
class Outcome:
    """One setting over W worlds, in units of each world's attainable range.

    Args:
        setting: which.
        worlds: W.
        escape: share of worlds where it ends better than linear scalarisation by more than the margin; Wilson's interval.
        harm: share where it ends worse by more.
        regret: mean shortfall from the best attainable; bootstrap over worlds.
        over: regret minus linear scalarisation's, paired by world; below 0 is better.
        worst: the greatest loss in any world, 0 where there is none.
    """

    setting: Setting
    worlds: int
    escape: Interval
    harm: Interval
    regret: Interval
    over: Interval
    worst: float

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` than linear only where the paired interval of the regret excludes 0, ``same`` where it is all near 0."""
        if max(abs(self.over.low), abs(self.over.high)) < NEGLIGIBLE:
            return "same"
        if not self.over.excludes_zero:
            return "not clear"
        return "better" if self.over.value < 0 else "worse"


def outcomes(
    chosen: Sequence[Setting], reached: Mapping[str, Array], margin: float = MARGIN, draws: int = 1000
) -> list[Outcome]:
    """An :class:`Outcome` for each of ``chosen``; every resample of the worlds is the same for all.

    Args:
        chosen: settings, their baselines among the names of ``reached``.
        reached: share of the attainable range by name of the setting, (W,) each.
        margin: differences up to this count as none.
        draws: bootstrap resamples.

    Raises:
        ProtocolError: settings were measured in different numbers of worlds.
    """
    names = list(reached)
    if len({len(values) for values in reached.values()}) > 1:
        raise ProtocolError(
            f"settings were measured in different numbers of worlds: {[len(v) for v in reached.values()]}.",
            "Measure them in the same worlds.",
        )
    regrets = 1 - np.array([reached[name] for name in names])
    drawn = confidence.bootstrap(lambda means: means.flatten(), [regrets[:, :, None]], draws)
    found = []
    for setting in chosen:
        own, other = names.index(setting.name), names.index(setting.baseline)
        gains = regrets[other] - regrets[own]
        found.append(
            Outcome(
                setting, len(gains), share(gains > margin), share(gains < -margin), drawn.interval(own),
                drawn.difference(own, other), float(max(0.0, -gains.min())),
            )
        )  # fmt: skip
    return found


def share(happened: NDArray[np.bool_]) -> Interval:
    """The share of true entries, with Wilson's 95 % interval.

    >>> print(share(np.array([True, False, False, False])))
    0.250 [0.046, 0.699]
    """
    count, n = int(happened.sum()), len(happened)
    found = binomtest(count, n).proportion_ci(method="wilson")
    return Interval(count / n, float(found.low), float(found.high))
