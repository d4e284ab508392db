"""The configuration of one alignment run, which is written, complete and resolved, to the run folder."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator, model_validator

from lenity.config import sections as s
from lenity.config.base import TYPE, Section, dump_member, member_name, parse_member, with_type
from lenity.config.evaluating import Evaluation
from lenity.config.names import Name
from lenity.config.objectives import Objectives, check_weights
from lenity.config.registry import Registry
from lenity.config.suggest import closest
from lenity.data.base import PromptSource
from lenity.data.templates import Template
from lenity.errors import ConfigError
from lenity.estimators import ESTIMATORS, Critic, Estimator
from lenity.rewards.base import RewardSpec
from lenity.rules import Rule
from lenity.rules.presets import filled
from lenity.runs import method as m
from lenity.runs.method import METHODS


def _parsed(registry: Registry[Any]) -> BeforeValidator:
    """A validator that parses a member of an open set; its errors name the field as pydantic's own do."""

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
Method = Annotated[m.Method, _parsed(METHODS), _dumped(METHODS)]
AnyEstimator = Annotated[Estimator, _parsed(Estimator.open_set), _dumped(Estimator.open_set)]


class RunConfig(Section):
    """The configuration of one run: one policy, aligned at one point of the weight simplex."""

    output: str = Field(description="run folder; it must not exist, unless the run is resumed")
    seed: int = Field(0, ge=0, description="random seed of prompts, sampling, initial weights and order")
    iterations: int = Field(
        100, ge=1, description="iterations; each generates, scores, computes advantages and updates"
    )
    policy: s.Policy
    prompts: Prompts = Field(description="where the prompts of training are read from")
    template: Annotated[Written, Field(validate_default=True)] = Field(
        "human_assistant",  # type: ignore[assignment]
        description="template that renders a conversation as the text that the policy reads",
    )
    weights: dict[Name, float] = Field(
        description="preference weight of each objective; each is at least 0, and they sum to 1"
    )
    rewards: dict[Name, Reward] = Field(description="reward of each objective, by the same names as weights")
    method: Annotated[
        Method, Field(validate_default=True, description="method that makes the policy at the weights")
    ] = "plc"  # type: ignore[assignment]
    estimator: AnyEstimator = Field(
        None,  # type: ignore[assignment]
        description="estimator that turns rewards into advantages; default: the one that the method requires, or critic",
    )
    preset: Literal["paper"] | None = Field(
        None, description="paper: fields that are not set have the values of the method's paper (docs/methods.md)"
    )
    critic: s.Critic = s.Critic()
    rollout: s.Rollout = s.Rollout()
    ppo: s.PPO = s.PPO()
    kl: s.KL = s.KL()
    optimizer: s.Optimizer = s.Optimizer()
    standardisation: s.Standardisation = s.Standardisation()
    reward_noise: s.RewardNoise | None = Field(
        None, description="noise on the scores that training reads; default: none"
    )
    tolerance: s.Tolerance = s.Tolerance()
    held_out_prompts: Prompts | None = Field(
        None, description="where `lenity evaluate` reads its prompts from; default: there is no evaluation"
    )
    held_out_rewards: dict[Name, Reward] = Field(
        {}, description="rewards that `lenity evaluate` measures, and that are not trained on"
    )
    budget: s.Budget = s.Budget()
    evaluation: Evaluation = Evaluation()
    checkpoint: s.Checkpoint = s.Checkpoint()
    logging: s.Logging = s.Logging()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("preset"):
            return data
        method = data.get("method", "plc")
        named = parse_member(method, METHODS)
        if not isinstance(data["preset"], str) or data["preset"] not in named.presets:
            raise ValueError(
                f"preset {data['preset']!r} is not one of method {member_name(named, METHODS)}, which has "
                f"{', '.join(sorted(named.presets)) or 'none'}; leave preset out, or choose one of these"
            )
        if isinstance(method, m.Method | Rule):
            method = dump_member(named, METHODS)
        fields = data | {"method": {TYPE: method} if isinstance(method, str) else with_type(method, METHODS)}
        return filled(named.presets[data["preset"]], fields)

    @field_validator("estimator", mode="before")
    @classmethod
    def _estimator_of_the_method(cls, value: Any, info: ValidationInfo) -> Any:
        method = info.data.get("method")
        return value if value is not None else (method and method.estimator) or "critic"

    @model_validator(mode="after")
    def _names_and_weights(self) -> Self:
        if self.weights and set(self.weights) != set(self.rewards):
            strange = [name for name in self.weights if name not in self.rewards]
            near = closest(strange[0], self.rewards) if strange else None
            raise ValueError(
                f"weights are for {sorted(self.weights)} but rewards for {sorted(self.rewards)}; "
                "each objective needs one weight and one reward of the same name (weight 0 to only log it)"
                + (f"; '{strange[0]}' may be '{near}'" if near else "")
            )
        check_weights(self.weights)
        self.method.check_weights(self.weights)
        self._check_estimator()
        if clash := set(self.rewards) & set(self.held_out_rewards):
            raise ValueError(f"held_out_rewards {sorted(clash)} are also trained on; give them other names")
        _check_measures(self.rewards, self.held_out_rewards)
        if self.reward_noise is not None:
            self._check_noise()
        if self.rollout.engine != "lenity" and self.method.loop_rule is None and not self.method.sources:
            raise ValueError(
                f"method {member_name(self.method, METHODS)} does not train in the loop, so rollout.engine {self.rollout.engine} "
                "would have no effect; leave it out"
            )
        return self

    def _check_estimator(self) -> None:
        method, name = member_name(self.method, METHODS), member_name(self.estimator, ESTIMATORS)
        if self.method.estimator not in (None, self.estimator):
            raise ValueError(
                f"estimator is {name}, but method {method} requires {member_name(self.method.estimator, ESTIMATORS)}; "
                "leave estimator out, or choose a method that works with any, such as linear"
            )
        if self.method.loop_rule is None:
            if self.estimator != Critic() and not self.method.sources:
                raise ValueError(
                    f"method {method} does not train in the loop, so estimator {name} would have no effect; leave it out"
                )
        elif self.rollout.batch_size % self.estimator.responses:
            raise ValueError(
                f"rollout.batch_size is {self.rollout.batch_size}, which is not a multiple of the {self.estimator.responses} "
                f"responses per prompt of estimator {name}; choose a multiple of {self.estimator.responses}"
            )

    def _check_noise(self) -> None:
        if len(self.rewards) < 2:
            raise ValueError("reward_noise needs at least two objectives, and there is one objective; leave it out")
        if self.method.loop_rule is None and not self.method.sources:
            raise ValueError(
                f"method {member_name(self.method, METHODS)} does not train in the loop, so reward_noise would have no effect; leave it out"
            )

    @property
    def objectives(self) -> Objectives:
        """The names of the objectives in the order of ``rewards``, and their weights by name."""
        return Objectives(tuple(self.rewards), self.weights)

    def progress(self, iterations: int, tokens: int) -> float:
        """The fraction of training that is done after ``iterations`` iterations and ``tokens`` generated tokens."""
        return max(iterations / self.iterations, tokens / self.budget.tokens if self.budget.tokens else 0.0)

    def dump(self) -> dict[str, Any]:
        """Plain data that :func:`lenity.config.load.parse` reads back to the same configuration."""
        return self.model_dump(mode="json")


def _check_measures(rewards: dict[str, RewardSpec], held_out: dict[str, RewardSpec]) -> None:
    measured_by: dict[str, str] = {}
    for name, measured in ((name, spec.measures) for name, spec in held_out.items() if spec.measures is not None):
        if measured not in rewards:
            raise ValueError(f"held_out_rewards.{name}.measures is '{measured}'; the objectives are {sorted(rewards)}")
        if measured in measured_by:
            raise ValueError(
                f"held_out_rewards {measured_by[measured]} and {name} both measure '{measured}'; let only one of them"
            )
        measured_by[measured] = name
    if wrong := [name for name, spec in rewards.items() if spec.measures is not None]:
        raise ValueError(f"rewards.{wrong[0]}.measures is for held-out rewards; leave it out of training rewards")
