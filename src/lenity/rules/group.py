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
    """sum_k w_k A_k where A_k is a response's return on k, standardised among the responses to its prompt.

    After GDPO (arXiv 2601.05242): rewards are normalised one by one within the group, their weighted sum over the batch. It is
    linear with the estimator ``group``: the return holds the KL penalty, all tokens of a response share its advantage, and there
    is no critic.
    """

    paper = "arXiv 2601.05242"
    equation = "Σ w_k z_k, z_k the return standardised among a prompt's responses"
    presets: ClassVar[Presets] = {}

    responses: int = Field(8, ge=2, description="responses per prompt; rollout.batch_size is a multiple")

    @property
    def estimator(self) -> Group:
        """Groups of ``responses``."""
        return Group(responses=self.responses)
