"""GDPO: linear scalarisation of advantages standardised among the responses to one prompt; no critic."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lenity.estimators import Group
from lenity.rules.base import RULES
from lenity.rules.linear import Linear
from lenity.rules.presets import Presets


@RULES.register("gdpo")
class GDPO(Linear):
    """Linear scalarisation sum_k w_k A_k, where A_k is a response's return on objective k, standardised among its prompt's responses.

    As in GDPO (arXiv 2601.05242), each reward is normalised within the group, and the weighted sum over the batch. The rule equals
    ``linear`` with the estimator ``group``: the return includes the KL penalty, all tokens of a response have the same advantage,
    and there is no critic.
    """

    paper = "arXiv 2601.05242"
    equation = "Σ w_k z_k, z_k the return standardised among a prompt's responses"
    presets: ClassVar[Presets] = {}

    responses: int = Field(8, ge=2, description="responses per prompt; rollout.batch_size must be a multiple of it")

    @property
    def estimator(self) -> Group:
        """The estimator ``group`` with this number of ``responses`` per prompt."""
        return Group(responses=self.responses)
