"""Controllers of beta, the price of a nat of KL(policy || reference)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lenity.config.sections import KL


@dataclass
class FixedKL:
    """beta never changes."""

    coefficient: float

    def update(self, observed_kl: float, n_samples: int) -> None:
        """Nothing to do."""


@dataclass
class AdaptiveKL:
    """beta <- beta (1 + clip(KL / target - 1, +-0.2) n / horizon), Ziegler et al. 2019 (arXiv 1909.08593), section 2.2.

    Args:
        coefficient: beta.
        target: wanted KL, nats a response.
        horizon: responses over which beta reacts.
    """

    coefficient: float
    target: float
    horizon: float

    def update(self, observed_kl: float, n_samples: int) -> None:
        """Move beta after a batch of ``n_samples`` responses with mean KL ``observed_kl``; one that is not finite moves nothing."""
        if not math.isfinite(observed_kl):
            return
        error = min(max(observed_kl / self.target - 1, -0.2), 0.2)
        self.coefficient *= 1 + error * n_samples / self.horizon


def controller(settings: KL) -> FixedKL | AdaptiveKL:
    """The controller the configuration asks for."""
    if settings.kind == "fixed":
        return FixedKL(settings.coefficient)
    return AdaptiveKL(settings.coefficient, settings.target, settings.horizon)


def resumed(before: KL, now: KL, coefficient: float) -> float:
    """The beta of a run that goes on: the ``coefficient`` it had come to, unless the settings that this came from changed.

    >>> resumed(KL(coefficient=0.1), KL(coefficient=0.1, target=9), 0.07), resumed(KL(coefficient=0.1), KL(coefficient=0.2), 0.07)
    (0.07, 0.2)
    """
    same = before.kind == now.kind == "adaptive" and before.coefficient == now.coefficient
    return coefficient if same else now.coefficient
