"""Controllers of the KL penalty coefficient beta, the penalty per nat of KL(policy || reference)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lenity.config.sections import KL


@dataclass
class FixedKL:
    """A controller whose beta is constant."""

    coefficient: float

    def update(self, observed_kl: float, n_samples: int) -> None:
        """Keep beta unchanged."""


@dataclass
class AdaptiveKL:
    """A controller with beta <- beta (1 + clip(KL / target - 1, +-0.2) n / horizon), Ziegler et al. 2019 (arXiv 1909.08593), section 2.2.

    Args:
        coefficient: beta.
        target: target KL, nats per response.
        horizon: number of responses over which beta adapts.
    """

    coefficient: float
    target: float
    horizon: float

    def update(self, observed_kl: float, n_samples: int) -> None:
        """Adapt beta after a batch of ``n_samples`` responses with mean KL ``observed_kl``; a non-finite KL leaves it unchanged."""
        if not math.isfinite(observed_kl):
            return
        error = min(max(observed_kl / self.target - 1, -0.2), 0.2)
        self.coefficient *= 1 + error * n_samples / self.horizon


def controller(settings: KL) -> FixedKL | AdaptiveKL:
    """The KL controller of the settings."""
    if settings.kind == "fixed":
        return FixedKL(settings.coefficient)
    return AdaptiveKL(settings.coefficient, settings.target, settings.horizon)


def resumed(before: KL, now: KL, coefficient: float) -> float:
    """The beta of a resumed run: the ``coefficient`` in its checkpoint, or the configured one if settings that determine it changed.

    >>> resumed(KL(coefficient=0.1), KL(coefficient=0.1, target=9), 0.07), resumed(KL(coefficient=0.1), KL(coefficient=0.2), 0.07)
    (0.07, 0.2)
    """
    same = before.kind == now.kind == "adaptive" and before.coefficient == now.coefficient
    return coefficient if same else now.coefficient
