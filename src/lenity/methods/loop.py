"""The method that trains in the loop with a rule: one PPO run per weighting, or one for all if the rule ignores the weights."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from pydantic import Field, SerializeAsAny, SerializerFunctionWrapHandler, model_serializer, model_validator

from lenity.methods.building import built
from lenity.methods.sharing import Sharing
from lenity.rules import GradientRule, Linear, Rule
from lenity.runs.method import METHODS, Callback
from lenity.runs.work import ADVANTAGE_PASSES, UPDATE_PASSES, Work

if TYPE_CHECKING:
    from lenity.estimators import Estimator
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder

R = TypeVar("R", bound=Rule)
FACTS = ("paper", "equation", "pitfalls", "presets", "shorthand", "__doc__", "__module__")


class Loop(Sharing, Generic[R]):
    """PPO with a vector of rewards, which ``rule`` combines into one update.

    In configurations ``type`` is the rule's name, and the rule's fields stand beside the loop's own: ``{type: plc, gate: net, label: mine}``.

    >>> from lenity.rules import PLC
    >>> Loop(rule=PLC(gate="net")).loop_rule.gate
    'net'
    """

    flat: ClassVar[str | None] = "rule"

    rule: SerializeAsAny[R] = Field(description="rule that combines the objectives")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Copy the paper, presets and so on of the rule's class to the loop with this class."""
        super().__pydantic_init_subclass__(**options)
        rule = cls.rule_class()
        if rule and cls.__pydantic_generic_metadata__["origin"]:
            for fact in FACTS:
                setattr(cls, fact, getattr(rule, fact))
            if rule.uses_weights is not Rule.uses_weights:
                cls.cost = (
                    "one run and one adapter in total if the rule ignores the weights, else one of each per weighting"
                )

    def __new__(cls, *arguments: Any, **fields: Any) -> Self:
        """An instance of the loop's class for the class of ``rule``, which is registered under the rule's name."""
        generic = cls is Loop and isinstance(fields.get("rule"), Rule)
        with_rule: type[Any] = _with(type(fields["rule"])) if generic else cls
        instance: Self = super().__new__(with_rule)
        return instance

    @classmethod
    def rule_class(cls) -> type[Rule] | None:
        """The class of the rule; None for ``Loop`` itself."""
        rule = cls.model_fields["rule"].annotation
        return rule if isinstance(rule, type) and issubclass(rule, Rule) else None

    @model_validator(mode="before")
    @classmethod
    def _rule_from_fields(cls, data: Any) -> Any:
        """The loop's own fields, with ``rule`` built from all others."""
        rule = cls.rule_class()
        if not isinstance(data, dict) or "rule" in data or rule is None:
            return data
        own = {name: value for name, value in data.items() if name in cls.model_fields}
        return own | {"rule": rule.model_validate({name: value for name, value in data.items() if name not in own})}

    @model_serializer(mode="wrap")
    def _rule_as_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The loop's own fields and those of the rule, side by side; the inverse of :meth:`_rule_from_fields`."""
        own: dict[str, Any] = handler(self)
        rule: dict[str, Any] = own.pop("rule")
        return own | rule

    def __reduce__(self) -> Any:
        """The function and arguments with which pickle rebuilds this method: its class is created on demand and has no importable name."""
        named = type(self).__pydantic_generic_metadata__["origin"] is None
        return _restored, (type(self) if named else Loop, self.rule, self.label, self.source)

    @property
    def loop_rule(self) -> Rule | None:
        """The rule; None if the adapter is taken from another run."""
        return None if self.source else self.rule

    @property
    def estimator(self) -> Estimator | None:
        """The estimator that the rule requires; None if it works with any."""
        return self.rule.estimator

    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The finished run folder, trained in the loop or with the adapter of ``source``."""
        if source := self.source:
            return built(config, lambda _, run: run.take(source), resume=resume, allow_changes=allow_changes)
        from lenity.training import loop

        return loop.train(config, resume=resume, allow_changes=allow_changes, gently=gently, callbacks=callbacks)

    def check_objectives(self, objectives: Sequence[str]) -> None:
        """Raise ``ConfigError`` if the rule's settings do not fit these objectives."""
        self.rule.initial_memory(objectives)

    @property
    def once(self) -> bool:
        """Whether one run serves all weightings, as it does if the rule ignores the weights."""
        return not self.rule.uses_weights

    @property
    def one_policy(self) -> bool:
        """Whether the policy is the same at all weights, as it is if the rule ignores them."""
        return self.once

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """``solo`` if one objective has all the weight and the rule is exactly ``Linear``, whose subclasses may compute differently."""
        return "solo" if type(self.rule) is Linear and max(weights.values()) == 1 else None

    def work(self, config: RunConfig, prompts: int) -> Work:
        """The work of the run, none if the adapter is taken from another run; a gradient rule adds one forward and K backward passes."""
        if self.source:
            return Work()
        batch, tokens = config.rollout.batch_size, config.budget.tokens
        rows = config.iterations
        if tokens:
            rows = min(rows, -(-tokens // (batch * config.rollout.max_new_tokens)))
        passes = ADVANTAGE_PASSES + UPDATE_PASSES * config.ppo.epochs
        work = Work(rows, rows * batch, rows * batch, rows * batch * passes)
        if not isinstance(self.rule, GradientRule):
            return work
        updated = work.generated * config.ppo.epochs
        single = updated * len(config.rewards)
        return replace(work, forwards=work.forwards + updated, gradients=single, compared=self.rule.parameters)


@METHODS.with_rule
@functools.cache
def _with(rule: type[Rule]) -> type[Loop[Any]]:
    """The loop's class for rules of class ``rule``."""
    return Loop[rule]  # type: ignore[valid-type]


def _restored(kind: type[Loop[Any]], rule: Rule, label: str | None, source: str | None) -> Loop[Any]:
    return kind(rule=rule, label=label, source=source)
