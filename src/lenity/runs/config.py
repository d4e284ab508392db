"""The configuration of one alignment run: the whole of it is written, resolved, to the run folder."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from lenity.config import sections as s
from lenity.config.base import TYPE, Section, dump_member, member_name, parse_member, with_type
from lenity.config.names import Name
from lenity.config.objectives import Objectives, check_weights
from lenity.config.registry import Registry
from lenity.config.suggest import closest
from lenity.data.base import PromptSource
from lenity.data.templates import Template
from lenity.errors import ConfigError
from lenity.rewards.base import RewardSpec
from lenity.rules.base import RULES, Rule
from lenity.rules.presets import filled


def _parsed(registry: Registry[Any]) -> BeforeValidator:
    """A member of an open set; its errors name the field as pydantic's own do."""

    def parse(value: Any) -> Any:
        try:
            return parse_member(value, registry)
        except ConfigError as error:
            raise ValueError(str(error).rstrip(".")) from error

    return BeforeValidator(parse)


def _dumped(registry: Registry[Any]) -> PlainSerializer:
    return PlainSerializer(lambda member: dump_member(member, registry))


Prompts = Annotated[PromptSource, _parsed(PromptSource.open_set), _dumped(PromptSource.open_set)]
Reward = Annotated[RewardSpec, _parsed(RewardSpec.open_set), _dumped(RewardSpec.open_set)]
Written = Annotated[Template, _parsed(Template.open_set), _dumped(Template.open_set)]
Method = Annotated[Rule, _parsed(Rule.open_set), _dumped(Rule.open_set)]


class RunConfig(Section):
    """One policy, aligned at one point of the weight simplex."""

    output: str = Field(description="run folder; it must not exist yet, or be resumed")
    seed: int = Field(0, ge=0, description="of prompts, sampling, initial weights and order")
    iterations: int = Field(100, ge=1, description="generate - score - update rounds")
    policy: s.Policy
    prompts: Prompts
    template: Annotated[Written, Field(validate_default=True)] = Field(
        "human_assistant",  # type: ignore[assignment]
        description="how the policy reads conversations",
    )
    weights: dict[Name, float] = Field(description="preference weights by objective; at least 0, sum 1")
    rewards: dict[Name, Reward] = Field(description="a reward for each objective, by the same names")
    method: Annotated[Method, Field(validate_default=True)] = "plc"  # type: ignore[assignment]
    preset: Literal["paper"] | None = Field(
        None, description="paper: what is not set here is as the method's paper has it, see docs/methods.md"
    )
    critic: s.Critic = s.Critic()
    rollout: s.Rollout = s.Rollout()
    ppo: s.PPO = s.PPO()
    kl: s.KL = s.KL()
    optimizer: s.Optimizer = s.Optimizer()
    standardisation: s.Standardisation = s.Standardisation()
    reward_noise: s.RewardNoise | None = Field(
        None, description="noise on the scores that training sees; default: none"
    )
    tolerance: s.Tolerance = s.Tolerance()
    held_out_prompts: Prompts | None = Field(None, description="prompts of `lenity evaluate`; never trained on")
    held_out_rewards: dict[Name, Reward] = Field(
        {}, description="rewards measured by `lenity evaluate` but not trained on"
    )
    budget: s.Budget = s.Budget()
    evaluation: s.Evaluation = s.Evaluation()
    checkpoint: s.Checkpoint = s.Checkpoint()
    logging: s.Logging = s.Logging()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("preset"):
            return data
        method = data.get("method", "plc")
        named = parse_member(method, RULES)
        if not isinstance(data["preset"], str) or data["preset"] not in named.presets:
            raise ValueError(
                f"preset {data['preset']!r} is not one of method {member_name(named, RULES)}, which has "
                f"{', '.join(sorted(named.presets)) or 'none'}; leave preset out, or name one that there is"
            )
        if isinstance(method, Rule):
            method = dump_member(method, RULES)
        given = data | {"method": {TYPE: method} if isinstance(method, str) else with_type(method, RULES)}
        return filled(named.presets[data["preset"]], given)

    @model_validator(mode="after")
    def _names_and_weights(self) -> Self:
        check_weights(self.weights)
        if set(self.weights) != set(self.rewards):
            strange = [name for name in self.weights if name not in self.rewards]
            near = closest(strange[0], self.rewards) if strange else None
            raise ValueError(
                f"weights are for {sorted(self.weights)} but rewards for {sorted(self.rewards)}; "
                "each objective needs one weight and one reward of the same name (weight 0 to only log it)"
                + (f"; '{strange[0]}' may be '{near}'" if near else "")
            )
        self.method.check_weights(self.weights)
        if clash := set(self.rewards) & set(self.held_out_rewards):
            raise ValueError(f"held_out_rewards {sorted(clash)} are also trained on; give them other names")
        _check_measures(self.rewards, self.held_out_rewards)
        if self.reward_noise is not None:
            self._noise_can_be_made()
        if self.rollout.engine != "lenity" and self.method.builds and not self.method.sources:
            raise ValueError(
                f"method {member_name(self.method, RULES)} does not train in the loop, so rollout.engine {self.rollout.engine} "
                "would not reach it; leave it out"
            )
        return self

    def _noise_can_be_made(self) -> None:
        if len(self.rewards) < 2:
            raise ValueError(
                "reward_noise needs a partner for each objective, and there is one objective; leave it out"
            )
        if self.method.builds and not self.method.sources:
            raise ValueError(
                f"method {member_name(self.method, RULES)} does not train in the loop, so reward_noise would not reach it; leave it out"
            )

    @property
    def objectives(self) -> Objectives:
        """Names in the order of ``rewards``, and weights by name."""
        return Objectives(tuple(self.rewards), self.weights)

    def progress(self, iterations: int, tokens: int) -> float:
        """The fraction of training that is done after so many iterations and generated tokens."""
        return max(iterations / self.iterations, tokens / self.budget.tokens if self.budget.tokens else 0.0)

    def dump(self) -> dict[str, Any]:
        """Plain data that :func:`lenity.config.load.parse` reads back to the same configuration."""
        return self.model_dump(mode="json")


def _check_measures(rewards: dict[str, RewardSpec], held_out: dict[str, RewardSpec]) -> None:
    taken: dict[str, str] = {}
    for name, measured in ((name, spec.measures) for name, spec in held_out.items() if spec.measures is not None):
        if measured not in rewards:
            raise ValueError(f"held_out_rewards.{name}.measures is '{measured}'; the objectives are {sorted(rewards)}")
        if measured in taken:
            raise ValueError(
                f"held_out_rewards {taken[measured]} and {name} both measure '{measured}'; let one of them"
            )
        taken[measured] = name
    if wrong := [name for name, spec in rewards.items() if spec.measures is not None]:
        raise ValueError(f"rewards.{wrong[0]}.measures is for held-out rewards; leave it out of those trained on")
