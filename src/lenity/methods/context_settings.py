"""The settings of the two training stages of Rewards-in-Context."""

from __future__ import annotations

from pydantic import Field

from lenity.config.base import Section
from lenity.config.sections import Fraction, Positive
from lenity.config.stages import Pairs


class Offline(Section):
    """Supervised fine-tuning on (prompt + scores -> response)."""

    pairs: Pairs | None = Field(
        None,
        description="chosen and rejected responses, as {dataset: ..., chosen: column, rejected: column}; default: two responses of the "
        "reference policy per prompt",
    )
    steps: int = Field(20_000, ge=1, description="optimizer steps")
    learning_rate: Positive = Field(1.414e-4, description="learning rate of AdamW, which falls linearly to 0")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW")


class Online(Section):
    """Rounds in which the policy answers prompts that request high scores, and is fine-tuned on answers kept by rejection sampling."""

    rounds: int = Field(1, ge=0, description="number of online rounds; 0: only the offline stage")
    samples: int = Field(10_000, ge=1, description="answers per round")
    temperature: Positive = Field(0.7, description="temperature at which the answers are sampled")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus (top-p) from which the answers are sampled")
    quantile: Fraction = Field(
        0.7, description="an answer is kept if any of its scores reaches this quantile of that objective"
    )
    originals: float = Field(
        1.0, ge=0, description="offline examples per kept answer that are mixed in, filtered by the same quantile"
    )
    steps: int = Field(4_000, ge=1, description="optimizer steps")
    learning_rate: Positive = Field(1e-5, description="learning rate of AdamW, constant")


class Stages(Section):
    """The settings of both stages, and those that they share."""

    offline: Offline = Offline()
    online: Online = Online()
    batch_size: int = Field(8, ge=1, description="rows per optimizer step")
    max_length: int = Field(
        512, ge=8, description="most tokens of prompt and response together; longer rows are dropped"
    )
