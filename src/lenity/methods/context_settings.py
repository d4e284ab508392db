"""Settings of the two stages in which Rewards-in-Context trains."""

from __future__ import annotations

from pydantic import Field

from lenity.config.base import Section
from lenity.config.sections import Fraction, Positive
from lenity.config.stages import Pairs


class Offline(Section):
    """Supervised fine-tuning on (prompt + scores -> response)."""

    pairs: Pairs | None = Field(
        None,
        description="chosen and rejected responses, as {dataset: ..., chosen: column, rejected: column}; default: two of the reference "
        "policy a prompt",
    )
    steps: int = Field(20_000, ge=1, description="optimizer steps")
    learning_rate: Positive = Field(1.414e-4, description="AdamW, falling linearly to 0")
    weight_decay: float = Field(0.01, ge=0, description="AdamW")


class Online(Section):
    """Rounds of own answers to high scores, filtered by rejection sampling."""

    rounds: int = Field(1, ge=0, description="0 stops after the offline stage")
    samples: int = Field(10_000, ge=1, description="answers a round")
    temperature: Positive = Field(0.7, description="of their sampling")
    top_p: float = Field(0.9, gt=0, le=1, description="nucleus of their sampling")
    quantile: Fraction = Field(0.7, description="an answer is kept where any of its scores reaches this quantile")
    originals: float = Field(1.0, ge=0, description="offline examples mixed in, filtered alike, for each answer kept")
    steps: int = Field(4_000, ge=1, description="optimizer steps")
    learning_rate: Positive = Field(1e-5, description="constant")


class Stages(Section):
    """Both stages, and what they share."""

    offline: Offline = Offline()
    online: Online = Online()
    batch_size: int = Field(8, ge=1, description="rows a step")
    max_length: int = Field(512, ge=8, description="longest prompt and response in tokens; longer rows are left out")
