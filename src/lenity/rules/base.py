"""What a rule is: K objectives, their weights -> one update. Some combine advantages, some gradients; a rule holds settings alone."""

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
OF_THE_LOOP = ("rule", "label", "source")  # fields that stand beside a rule's own in `method: {type: plc, ...}`
HIDDEN_MEMORY = ("fresh", "state", "restore", "memory", "during")


class Rule(Section, abc.ABC):
    """Hyper-parameters and arithmetic, and nothing else; every method with a rule is the loop with it.

    A rule that learns from the steps so far keeps that in a :data:`Memory`, which goes into :meth:`step` and comes out of it: the
    rule itself never changes, and checkpoints hold the memory.

    ``paper``, ``equation``, ``pitfalls`` (what goes wrong easily, and in public code) and ``presets`` are what `lenity methods` shows.
    """

    open_set: ClassVar[Registry[Any]] = RULES
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    pitfalls: ClassVar[str] = ""
    presets: ClassVar[Presets] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a class of the time when a rule was a method too, or hid its memory; what it defines would never be called."""
        if own := [name for name in OF_METHODS if hasattr(cls, name)]:
            raise ConfigError(
                f"rule {cls.__name__} defines {own[0]}, which is a method's: a rule is arithmetic alone.",
                "Derive from lenity.methods.Method and register it in lenity.methods.METHODS.",
            )
        if hasattr(cls, "group"):
            raise ConfigError(
                f"rule {cls.__name__} defines group, the responses per prompt, which are an estimator's: it would not be looked at.",
                "Give lenity.estimators.Group(responses=...) in the property estimator.",
            )
        if own := [name for name in HIDDEN_MEMORY if hasattr(cls, name)]:
            raise ConfigError(
                f"rule {cls.__name__} defines {own[0]}, and no rule holds its memory any more: it would be lost on a resume.",
                "Give the first memory in initial_memory, and take and return it in step.",
            )
        super().__init_subclass__(**options)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Refuse fields that would stand in a configuration under the name of one of the loop's own."""
        if clash := [name for name in OF_THE_LOOP if name in cls.model_fields]:
            raise ConfigError(f"rule {cls.__name__} has a field {clash[0]}, as the loop has.", "Call it otherwise.")

    def at(self, progress: float) -> Self:
        """The rule at a fraction ``progress`` in [0, 1] of training."""
        return self

    def initial_memory(self, objectives: Sequence[str]) -> Memory:
        """What the rule remembers before the first step of a training of ``objectives``; most rules remember nothing.

        Raises:
            ConfigError: the settings do not allow such a training.
        """
        return {}

    def step(self, values: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The share of each objective in one update, and the memory after it; ``values`` are advantages or gradients."""
        raise NotImplementedError

    @property
    def uses_weights(self) -> bool:
        """Whether the preference weights play a part; where they do not, one training serves all weights."""
        return True

    @property
    def kind(self) -> str:
        """Class and main setting: another rule of the same kind can go on with what one rule of it remembers."""
        return type(self).__name__ + (f":{getattr(self, self.shorthand)}" if self.shorthand else "")

    @property
    def estimator(self) -> Estimator | None:
        """The estimator that the rule is published with and needs; None where it takes the advantages of any."""
        return None


class AdvantageRule(Rule):
    """A rule that needs one backward pass: it combines advantages, not gradients."""

    def __init_subclass__(cls, **options: Any) -> None:
        """A class that still calls :meth:`objective_scale` ``mask``, its former name, works for one version; so does ``super().mask``."""
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
                "Give M in objective_scale, or in step where the rule remembers.",
            )
        super().__init_subclass__(**options)

    @abc.abstractmethod
    def objective_scale(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """How much of each objective's advantage counts.

        Args:
            advantages: (..., K), everything maximised.
            weights: (K,) or (..., K), at least 0, sum 1.

        Returns:
            (..., K), at least 0.
        """

    def step(self, advantages: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The :meth:`objective_scale` after ``memory``, and the memory after these advantages; for rules that remember."""
        return self.objective_scale(advantages, weights), memory

    def rectify(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The scalar advantage sum_k w_k M_k A_k, shape (...) from (..., K)."""
        return rectified(advantages, weights, self.objective_scale(advantages, weights))


class GradientRule(Rule):
    """A rule that needs a backward pass an objective: it combines gradients.

    The combination found on the chosen parameters weighs the objectives' losses in one further pass over all of them.
    """

    pitfalls = "gradients are compared on the last layer's adapter, as GAPO was published; the whole adapter's may conflict otherwise"
    parameters: Literal["last_layer", "all"] = Field(
        "last_layer",
        description="where gradients are compared: the adapter of the last layer (the paper's) or the whole adapter",
    )

    @abc.abstractmethod
    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """What each objective's gradient counts.

        Args:
            jacobian: (K, N), one gradient per row.
            weights: (K,), at least 0, sum 1.

        Returns:
            (K,).
        """

    def step(self, jacobian: Tensor, weights: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The :meth:`combination` after ``memory``, and the memory after this Jacobian; for rules that remember."""
        return self.combination(jacobian, weights), memory

    def direction(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The common gradient, (N,) from (K, N)."""
        return self.combination(jacobian, weights) @ jacobian


def rectified(advantages: Tensor, weights: Tensor, scale: Tensor) -> Tensor:
    """The scalar advantage sum_k w_k M_k A_k, shape (...), of advantages (..., K) and their scale M (..., K)."""
    return (weights * scale * advantages).sum(-1)
