"""What a rule is: K objectives, their weights -> one update. Some combine advantages, some gradients."""

from __future__ import annotations

import abc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field

from lenity.config.base import Section
from lenity.config.names import Word
from lenity.config.registry import Registry
from lenity.errors import ConfigError
from lenity.rules.presets import Presets
from lenity.rules.work import ADVANTAGE_PASSES, UPDATE_PASSES, Work

if TYPE_CHECKING:
    from torch import Tensor

    from lenity.config.stages import Pairs
    from lenity.estimators import Estimator
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder

log = logging.getLogger(__name__)

RULES: Registry[Rule] = Registry(
    "method",
    "lenity.rules",
    ("lenity.rules.linear", "lenity.rules.plc", "lenity.rules.entropic", "lenity.rules.tchebycheff",
     "lenity.rules.gradient", "lenity.rules.torchjd", "lenity.rules.group", "lenity.rules.scalar",
     "lenity.methods.soups", "lenity.methods.rewards_in_context"),
    former="name",
)  # fmt: skip


class Rule(Section, abc.ABC):
    """Settings and arithmetic of one method; its fields are its hyper-parameters.

    What trains in the loop is an :class:`AdvantageRule` or a :class:`GradientRule`; a method that ``builds`` makes its
    adapter in a way of its own. ``paper``, ``equation``, ``cost`` (what a front takes: runs to train, adapters to keep) and
    ``pitfalls`` (what goes wrong easily, and in public code) are what `lenity methods` shows.
    """

    open_set: ClassVar[Registry[Any]] = RULES
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    cost: ClassVar[str] = "one run and one adapter a weighting"
    pitfalls: ClassVar[str] = ""
    presets: ClassVar[Presets] = {}

    label: Word | None = Field(None, description="name in folders and tables, to tell settings of one method apart")

    def at(self, progress: float) -> Self:
        """The rule at a fraction ``progress`` in [0, 1] of training; a copy need not look after what it remembers."""
        return self

    @contextmanager
    def during(self, progress: float) -> Iterator[Self]:
        """The rule :meth:`at` ``progress``, with this rule's memory; what it learns inside, this rule then remembers."""
        now = self.at(progress)
        if now is not self and (known := self.memory()):
            now.restore(known)
        yield now
        if now is not self and (known := now.memory()):
            self.restore(known)

    def fresh(self, objectives: Sequence[str]) -> Self:
        """The rule as a training of ``objectives`` starts with it; ``ConfigError`` where its settings do not allow one.

        What this training teaches it, no other that is given the same rule begins with.
        """
        return self.model_copy(deep=True) if self.__private_attributes__ else self

    @property
    def kind(self) -> str:
        """Class and main setting: what one rule of a kind remembers, another of it can go on with."""
        return type(self).__name__ + (f":{getattr(self, self.shorthand)}" if self.shorthand else "")

    def state(self) -> dict[str, Tensor]:
        """What the rule remembers of the steps so far, for a checkpoint; most remember nothing."""
        return {}

    def memory(self) -> dict[str, Tensor]:
        """Copies of what :meth:`state` gives, each with memory of its own; ``ConfigError`` where a checkpoint cannot hold it."""
        import torch

        found = self.state()
        if wrong := [name for name, value in found.items() if not isinstance(value, torch.Tensor)]:
            raise ConfigError(
                f"rule {self.kind} remembers '{wrong[0]}' as {type(found[wrong[0]]).__name__}, and checkpoints hold tensors.",
                "Let its state() give torch.tensor(...), float64 for a float, and its restore() take it back.",
            )
        return {name: value.detach().clone() for name, value in found.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` gave, on a :meth:`fresh` rule."""

    def settled(self, rows: int) -> tuple[str, ...]:
        """Sections of the configuration that no longer do anything once ``metrics.jsonl`` has ``rows`` rows."""
        return ()

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise ``WrongWeightsError`` where the method cannot be run at these preference weights."""

    @property
    def estimator(self) -> Estimator | None:
        """The estimator of advantages that is a part of the method; None where it takes any, a critic by default."""
        return None

    @property
    def builds(self) -> bool:
        """Whether :meth:`build` makes the adapter, in place of the loop."""
        return False

    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write ``run``'s adapter."""
        raise NotImplementedError

    @property
    def sources(self) -> tuple[str, ...]:
        """Run folders that this run is made from."""
        return ()

    @property
    def examples(self) -> tuple[Pairs, ...]:
        """Data that the policy learns from beside the run's ``prompts``."""
        return ()

    def alone(self) -> Self:
        """The method without the runs that it is made from."""
        return self

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Rule | str, Mapping[str, float]]]:
        """Method and weights of the runs that the runs at ``points`` are made from."""
        return []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """The method that is made from ``runs``, those it :meth:`needed` in that order."""
        return self

    def work(self, config: RunConfig, prompts: int) -> Work:
        """What a run takes that trains on ``prompts`` prompts, all its responses being of the greatest length."""
        batch, tokens = config.rollout.batch_size, config.budget.tokens
        rows = config.iterations
        if tokens:
            rows = min(rows, -(-tokens // (batch * config.rollout.max_new_tokens)))
        passes = ADVANTAGE_PASSES + UPDATE_PASSES * config.ppo.epochs
        return Work(rows, rows * batch, rows * batch, rows * batch * passes)

    def shown(self, prompts: Sequence[str], run: RunFolder) -> list[str]:
        """What the policy of ``run`` reads for each of ``prompts``."""
        return list(prompts)


class AdvantageRule(Rule):
    """A rule that needs one backward pass: it combines advantages, not gradients."""

    def __init_subclass__(cls, **options: Any) -> None:
        """A class that still calls :meth:`objective_scale` ``mask``, its former name, works for one version."""
        if "mask" in vars(cls) and "objective_scale" not in vars(cls):
            log.warning("%s.mask is called objective_scale now; mask is read until the next version.", cls.__name__)
            cls.objective_scale = cls.mask  # type: ignore[attr-defined,method-assign]
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

    def rectify(self, advantages: Tensor, weights: Tensor) -> Tensor:
        """The scalar advantage sum_k w_k M_k A_k, shape (...) from (..., K)."""
        return (weights * self.objective_scale(advantages, weights) * advantages).sum(-1)


class GradientRule(Rule):
    """A rule that needs a backward pass an objective: it combines gradients.

    The combination found on the chosen parameters weighs the objectives' losses in one further pass over all of them.
    """

    pitfalls = "gradients are compared on the last layer's adapter, as GAPO was published; the whole adapter's may conflict otherwise"
    parameters: Literal["last_layer", "all"] = Field(
        "last_layer",
        description="where gradients are compared: the adapter of the last layer (the paper's) or the whole adapter",
    )

    def work(self, config: RunConfig, prompts: int) -> Work:
        """With one more forward and K backward passes an update."""
        work = super().work(config, prompts)
        updated = work.generated * config.ppo.epochs
        return replace(
            work, forwards=work.forwards + updated, gradients=updated * len(config.rewards), compared=self.parameters
        )

    @abc.abstractmethod
    def combination(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """What each objective's gradient counts.

        Args:
            jacobian: (K, N), a gradient a row.
            weights: (K,), at least 0, sum 1.

        Returns:
            (K,).
        """

    def direction(self, jacobian: Tensor, weights: Tensor) -> Tensor:
        """The common gradient, (N,) from (K, N)."""
        return self.combination(jacobian, weights) @ jacobian
