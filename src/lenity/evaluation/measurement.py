"""What the rows of an evaluation depend on, whichever policy is measured: the reference policy, prompts, decoding and rewards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from lenity.config.base import dump_member
from lenity.config.evaluating import Reference
from lenity.config.sections import Policy
from lenity.data.base import PromptSource
from lenity.data.human_assistant import HUMAN_ASSISTANT
from lenity.data.templates import Template
from lenity.evaluation.subject import identity
from lenity.rewards.base import Reward, RewardSpec
from lenity.runs.config import RunConfig
from lenity.runs.fingerprint import prompts_identity, reward_identity

if TYPE_CHECKING:
    import torch

    from lenity.rewards.standardise import Standardiser


@dataclass(frozen=True)
class Measurement:
    """How a run's policies are measured.

    Args:
        policy: whose model, without the adapter, is the reference policy.
        prompts: the data set of the held-out prompts; None where none is configured.
        template: renders them for the policy.
        limit: the greatest number of prompts.
        decoding: settings of generation.
        batch_size: responses generated at once.
        rewards: those trained on, by name.
        held_out_rewards: those only measured, by name.
        reference: the reference point of the protocol; rows do not depend on it.
    """

    policy: Policy
    prompts: PromptSource | None
    template: Template
    limit: int
    decoding: dict[str, Any]
    batch_size: int
    rewards: Mapping[str, RewardSpec]
    held_out_rewards: Mapping[str, RewardSpec]
    reference: Reference

    @classmethod
    def of(cls, config: RunConfig) -> Self:
        """The measurement that ``config`` describes."""
        chosen = config.evaluation
        return cls(
            config.policy, config.held_out_prompts, config.template, chosen.limit, chosen.decoding(config.rollout),
            chosen.batch_size, config.rewards, config.held_out_rewards, chosen.reference,
        )  # fmt: skip

    @property
    def all_rewards(self) -> dict[str, RewardSpec]:
        """The rewards trained on, then the held-out ones, by name."""
        return {**self.rewards, **self.held_out_rewards}

    def load_rewards(self, device: torch.device) -> dict[str, Reward]:
        """All rewards, ready to score on ``device``."""
        return {name: spec.load(device) for name, spec in self.all_rewards.items()}

    def generation(self) -> list[Any]:
        """What responses depend on, as JSON data: the reference policy, decoding, batch size and template."""
        reference = {field: getattr(self.policy, field) for field in ("model", "revision", "dtype")}
        template = [] if self.template == HUMAN_ASSISTANT else [dump_member(self.template, Template.open_set)]
        return [reference, identity(self.policy.model), self.decoding, self.batch_size, *template]

    def key(self, standardiser: Standardiser, more: Sequence[Any] = ()) -> str:
        """A short hash of everything that the reference policy's rows depend on, and of ``more``."""
        parts = [
            *self.generation(), prompts_identity(self.prompts) if self.prompts else None, self.limit,
            {name: reward_identity(spec) for name, spec in self.rewards.items()},
            {name: reward_identity(spec) for name, spec in self.held_out_rewards.items()},
            standardiser.means, standardiser.stds, *more,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
