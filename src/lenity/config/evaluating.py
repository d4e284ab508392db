"""The sections that say how an evaluation generates, standardises and compares."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lenity.config.base import Section
from lenity.config.sections import Positive, Rollout


class Scale(Section):
    """Standardisation constants of one reward."""

    mean: float = Field(description="mean raw score of the reference policy")
    std: Positive = Field(description="standard deviation of these scores")


class Reference(Section):
    """The reference point of the hypervolume, in standardised scores, by the name of the reward."""

    rule: Literal["fixed", "nadir"] = Field(
        "fixed", description="fixed: the point below; nadir: the lowest mean of any run that is compared"
    )
    point: dict[str, float] = Field(
        {}, description="coordinate of each reward; default: the mean of the reference policy minus 1"
    )


class Evaluation(Section):
    """How `lenity evaluate` generates and scores responses to held-out prompts."""

    limit: int = Field(256, ge=2, description="number of held-out prompts, evenly spaced over the data")
    temperature: float = Field(1.0, ge=0, description="sampling temperature; 0: greedy decoding")
    top_p: float = Field(0.9, gt=0, le=1, description="probability mass of nucleus sampling")
    max_new_tokens: int | None = Field(
        None, ge=1, description="longest response, in tokens; default: rollout.max_new_tokens"
    )
    min_new_tokens: int | None = Field(
        None, ge=0, description="fewest tokens before an EOS token may be sampled; default: rollout.min_new_tokens"
    )
    stop: list[str] | None = Field(None, description="stop strings; default: rollout.stop")
    batch_size: int = Field(128, ge=1, description="responses generated at once on one process")
    seed: int = Field(
        1234,
        ge=0,
        description="random seed of sampling; it is the same for every policy, so that comparisons are paired",
    )
    standardisation: dict[str, Scale] = Field(
        {}, description="standardisation constants by reward, in place of those of the run"
    )
    reference: Reference = Reference()

    def decoding(self, rollout: Rollout) -> dict[str, Any]:
        """The settings of generation; a field that is not set here has the value of training."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_new_tokens": self.max_new_tokens or rollout.max_new_tokens,
            "min_new_tokens": rollout.min_new_tokens if self.min_new_tokens is None else self.min_new_tokens,
            "stop": rollout.stop if self.stop is None else self.stop,
            "seed": self.seed,
        }
