"""The loop with a rule: one PPO run per weighting, or one in all where the rule does not look at the weights."""

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
    """PPO with a vector of rewards, which ``rule`` makes one update of.

    In configurations the rule's name is the method's, and its fields lie beside the loop's own: ``{type: plc, gate: net, label: mine}``.

    >>> from lenity.rules import PLC
    >>> Loop(rule=PLC(gate="net")).loop_rule.gate
    'net'
    """

    flat: ClassVar[str | None] = "rule"

    rule: SerializeAsAny[R] = Field(description="what combines the objectives")

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """The loop with a class of rules has this class's paper, presets and so on."""
        super().__pydantic_init_subclass__(**options)
        rule = cls.rule_class()
        if rule and cls.__pydantic_generic_metadata__["origin"]:
            for fact in FACTS:
                setattr(cls, fact, getattr(rule, fact))
            if rule.uses_weights is not Rule.uses_weights:
                cls.cost = (
                    "one run and one adapter in all where the rule does not look at the weights, else one a weighting"
                )

    def __new__(cls, *arguments: Any, **fields: Any) -> Self:
        """Of the class that is the loop with the rule's class, so that it has its name."""
        named = cls is Loop and isinstance(fields.get("rule"), Rule)
        made: type[Any] = _with(type(fields["rule"])) if named else cls
        found: Self = super().__new__(made)
        return found

    @classmethod
    def rule_class(cls) -> type[Rule] | None:
        """The class of the rule."""
        found = cls.model_fields["rule"].annotation
        return found if isinstance(found, type) and issubclass(found, Rule) else None

    @model_validator(mode="before")
    @classmethod
    def _rule_from_fields(cls, data: Any) -> Any:
        """The rule made of the fields that are not the loop's own."""
        rule = cls.rule_class()
        if not isinstance(data, dict) or "rule" in data or rule is None:
            return data
        own = {name: value for name, value in data.items() if name in cls.model_fields}
        return own | {"rule": rule.model_validate({name: value for name, value in data.items() if name not in own})}

    @model_serializer(mode="wrap")
    def _rule_as_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The inverse."""
        own: dict[str, Any] = handler(self)
        rule: dict[str, Any] = own.pop("rule")
        return own | rule

    def __reduce__(self) -> Any:
        """Pickled by the rule: the class of the loop with it is made when it is asked for, and cannot be found by name."""
        named = type(self).__pydantic_generic_metadata__["origin"] is None
        return _restored, (type(self) if named else Loop, self.rule, self.label, self.source)

    @property
    def loop_rule(self) -> Rule | None:
        """The rule, unless another run has trained."""
        return None if self.source else self.rule

    @property
    def estimator(self) -> Estimator | None:
        """The rule's own, if it has one."""
        return self.rule.estimator

    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The run folder: trained in the loop, or with the adapter of ``source``."""
        if source := self.source:
            return built(config, lambda _, run: run.take(source), resume=resume, allow_changes=allow_changes)
        from lenity.training import loop

        return loop.train(config, resume=resume, allow_changes=allow_changes, gently=gently, callbacks=callbacks)

    def check_objectives(self, objectives: Sequence[str]) -> None:
        """Raise ``ConfigError`` where the rule's settings do not allow a training of these objectives."""
        self.rule.initial_memory(objectives)

    @property
    def once(self) -> bool:
        """Whether the rule does not look at the weights."""
        return not self.rule.uses_weights

    @property
    def one_policy(self) -> bool:
        """Whether the rule does not look at the weights."""
        return self.once

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """SOLO, where the sum is linear and all weight is on one objective; classes made of ``Linear`` may compute otherwise."""
        return "solo" if type(self.rule) is Linear and max(weights.values()) == 1 else None

    def work(self, config: RunConfig, prompts: int) -> Work:
        """None where the adapter is another run's; rules over gradients take one more forward and K backward passes per update."""
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
    """The loop with rules of this class."""
    return Loop[rule]  # type: ignore[valid-type]


def _restored(kind: type[Loop[Any]], rule: Rule, label: str | None, source: str | None) -> Loop[Any]:
    return kind(rule=rule, label=label, source=source)
