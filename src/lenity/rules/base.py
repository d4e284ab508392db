"""The base classes of rules. A rule combines the advantages or the gradients of K objectives, at their weights, into one update."""

from __future__ import annotations

import abc
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from lenity.config.base import Section
from lenity.config.registry import Registry
from lenity.errors import ConfigError
from lenity.rules.memory import Memory
from lenity.rules.presets import Presets

if TYPE_CHECKING:
    from torch import Tensor

    from lenity.estimators import Estimator

log = logging.getLogger(__name__)

RULES: Registry[Rule] = Registry(
    "rule",
    "lenity.rules",
    ("lenity.rules.linear", "lenity.rules.plc", "lenity.rules.entropic", "lenity.rules.tchebycheff",
     "lenity.rules.gradient", "lenity.rules.torchjd", "lenity.rules.group"),
    former="name",
)  # fmt: skip
OF_METHODS = (
    "build", "builds", "needed", "from_runs", "shown", "work", "sources", "examples", "alone", "settled", "check_weights",
)  # fmt: skip
OF_THE_LOOP = ("rule", "label", "source")  # the loop's own fields, beside a rule's in `method: {type: plc, ...}`
HIDDEN_MEMORY = ("fresh", "state", "restore", "memory", "during")


class Rule(Section, abc.ABC):
    """The hyper-parameters and the arithmetic of one rule; the method :class:`lenity.methods.Loop` trains with it.

    A rule that depends on earlier steps keeps its state in a :data:`Memory`, which :meth:`step` takes and returns. The rule object
    itself never changes, and checkpoints store the memory.

    `lenity methods` shows ``paper``, ``equation``, ``pitfalls`` (common mistakes, also in public code) and ``presets``.
    """

    open_set: ClassVar[Registry[Any]] = RULES
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    pitfalls: ClassVar[str] = ""
    presets: ClassVar[Presets] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Raise ``ConfigError`` for a class of an earlier version, with functions of a method or a hidden memory: nothing would call them."""
        if own := [name for name in OF_METHODS if hasattr(cls, name)]:
            raise ConfigError(
                f"rule {cls.__name__} defines {own[0]}, which belongs to methods; a rule only combines objectives.",
                "Derive from lenity.methods.Method and register it in lenity.methods.METHODS.",
            )
        if hasattr(cls, "group"):
            raise ConfigError(
                f"rule {cls.__name__} defines group, the responses per prompt, which are an estimator's: it would not be looked at.",
                "Give lenity.estimators.Group(responses=...) in the property estimator.",
            )
        if own := [name for name in HIDDEN_MEMORY if hasattr(cls, name)]:
            raise ConfigError(
                f"rule {cls.__name__} defines {own[0]}, but rules no longer store their own memory: it would be lost on resume.",
                "Return the first memory from initial_memory; take the memory in step and return it.",
            )
        super().__init_subclass__(**options)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Raise ``ConfigError`` if a field has the name of one of the loop's own fields."""
        if clash := [name for name in OF_THE_LOOP if name in cls.model_fields]:
            raise ConfigError(
                f"rule {cls.__name__} has a field {clash[0]}, which is also a field of the loop.",
                "Rename the rule's field.",
            )

    def at(self, progress: float) -> Self:
        """The rule with the settings that its schedule gives at ``progress``, the fraction of training done, in [0, 1]."""
        return self

    def initial_memory(self, objectives: Sequence[str]) -> Memory:
        """The rule's memory before the first step of a run on ``objectives``; empty for most rules.

        Raises:
            ConfigError: the rule's settings do not fit these objectives.
        """
        return {}

    def step(self, values: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The coefficient of each objective in one update, and the memory after it; each kind of rule defines its ``values``."""
        raise NotImplementedError

    @property
    def uses_weights(self) -> bool:
        """Whether the update depends on the preference weights; if not, one run serves all weightings."""
        return True

    @property
    def kind(self) -> str:
        """The rule's class and main setting; a rule can continue from the memory of another rule of the same kind."""
        return type(self).__name__ + (f":{getattr(self, self.shorthand)}" if self.shorthand else "")

    @property
    def estimator(self) -> Estimator | None:
        """The estimator that the rule requires; None if it works with any."""
        return None


class AdvantageRule(Rule):
    """A rule that combines advantages, so that one backward pass per mini-batch is enough."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Accept ``mask``, the former name of :meth:`objective_scale`, with a warning until the next version; ``super().mask`` too.

        Raises:
            ConfigError: the class overrides ``rectify``, which the loop does not call.
        """
        nearest = next(
            vars(kind) for kind in cls.__mro__ if not vars(kind).keys().isdisjoint(("mask", "objective_scale"))
        )
        if "objective_scale" not in nearest:
            log.warning("%s.mask is called objective_scale now; mask is read until the next version.", cls.__name__)
            cls.objective_scale = cls.mask  # type: ignore[attr-defined,method-assign]
        elif "objective_scale" in vars(cls):
            cls.mask = cls.objective_scale  # type: ignore[attr-defined]
        if cls.rectify is not AdvantageRule.rectify:
            raise ConfigError(
                f"rule {cls.__name__} defines rectify, which is sum_k w_k M_k A_k for all rules; the loop would not call it.",
                "Return M from objective_scale, or from step if the rule has a memory.",
            )
        super().__init_subclass__(**options)

    @abc.abstractmethod
    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The factors M_k that multiply each objective's advantage, beside its weight.

        Args:
            advantages: (..., K); higher is better for every objective.
            weights: (K,) or (..., K), at least 0, sum 1.

        Returns:
            (..., K), at least 0.
        """

    def step(self, advantages: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The :meth:`objective_scale` given ``memory``, (..., K), and the memory after it; a rule with a memory overrides this."""
        return self.objective_scale(advantages, weights), memory

    def rectify(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The scalar advantage sum_k w_k M_k A_k, shape (...) from (..., K)."""
        return rectified(advantages, weights, self.objective_scale(advantages, weights))


class GradientRule(Rule):
    """A rule that combines gradients, which takes one backward pass per objective.

    The coefficients are computed from the gradients of ``parameters``; one further pass then weighs the objectives' losses by them and
    trains all parameters.
    """

    pitfalls = "gradients are compared on the last layer's adapter, as published for GAPO; those of the whole adapter may conflict differently"
    parameters: Literal["last_layer", "all"] = Field(
        "last_layer",
        description="parameters whose gradients are compared: the last layer's adapter, as in the paper, or the whole adapter",
    )

    @abc.abstractmethod
    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The coefficient of each objective's gradient.

        Args:
            jacobian: (K, N), one gradient per row.
            weights: (K,), at least 0, sum 1.

        Returns:
            (K,).
        """

    def step(self, jacobian: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The :meth:`combination` given ``memory``, (K,), and the memory after it; a rule with a memory overrides this."""
        return self.combination(jacobian, weights), memory

    def direction(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The combined gradient, (N,) from (K, N)."""
        return self.combination(jacobian, weights) @ jacobian


def rectified(advantages: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """The scalar advantage sum_k w_k M_k A_k, shape (...), of advantages (..., K) and their scale M (..., K)."""
    return (weights * scale * advantages).sum(-1)
