"""MORLHF and SOLO, two baselines that are linear scalarisation under the names of the literature."""

from __future__ import annotations

from collections.abc import Mapping

from lenity.errors import WrongWeightsError
from lenity.methods.loop import Loop
from lenity.rules import Linear
from lenity.runs.method import METHODS


@METHODS.register("morlhf")
class MORLHF(Loop[Linear]):
    """One PPO run per weighting on sum_k w_k A_k, which is PLC with leniency 0."""

    paper = "Roijers et al. 2013; arXiv 2310.11564 for language models"
    pitfalls = "with raw rewards of different scales the weights have no clear meaning; here they apply to standardised rewards"


@METHODS.register("solo")
class Solo(Loop[Linear]):
    """PPO on one objective alone: the weight of one is 1, of the others 0."""

    paper = "arXiv 2604.05965, section 5"
    equation = "A_k"
    cost = "one run and one adapter per objective"

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise ``WrongWeightsError`` unless one weight is 1."""
        if max(weights.values()) != 1:
            raise WrongWeightsError(
                f"method solo trains one objective, but weights are {dict(weights)}.",
                "Set one to 1 and the others to 0, or use morlhf.",
            )

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """None: other methods name ``solo`` as their twin."""
        return None
