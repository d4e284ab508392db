"""The base class of methods. A method is a recipe for policies at weights w: the runs it needs, and how they are trained and used."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field

from lenity.config.base import Section
from lenity.config.names import Word
from lenity.config.registry import Registry
from lenity.config.stages import Pairs
from lenity.errors import ConfigError
from lenity.rules.base import RULES, Rule
from lenity.rules.presets import Presets
from lenity.runs.work import Work

if TYPE_CHECKING:
    from lenity.estimators import Estimator
    from lenity.runs.config import RunConfig
    from lenity.runs.folder import RunFolder

Callback = Callable[[dict[str, Any]], Any]  # called with the metrics row of an iteration; it may return lenity.STOP


class Methods(Registry["Method"]):
    """The methods by name; the name of a rule, or a rule itself, stands for the loop with this rule."""

    def __init__(self) -> None:
        built_in = (
            "lenity.methods.loop",
            "lenity.methods.scalar",
            "lenity.methods.soups",
            "lenity.methods.rewards_in_context",
        )
        # methods in the entry-point group lenity.rules, the only one of earlier versions, are read until the next version
        super().__init__("method", ("lenity.methods", "lenity.rules"), built_in, former="name")
        self._with_rule: Callable[[type[Rule]], type[Method]] = _unknown

    def __getitem__(self, name: str) -> type[Method]:
        member: type[Any] = super().__getitem__(name)
        if name not in RULES.members:
            return member
        if name in self._members:
            where = RULES.members[name].__module__
            raise ConfigError(f"'{name}' is a method of {member.__module__} and a rule of {where}.", "Rename one.")
        if not issubclass(member, Rule):
            where = self.origin(member.__module__) or member.__module__
            raise ConfigError(
                f"method '{name}' of {where} cannot be made: {member.__name__} is not a Rule.", "Correct that package."
            )
        return self._with_rule(member)

    def with_rule(self, make: Callable[[type[Rule]], type[Method]]) -> Callable[[type[Rule]], type[Method]]:
        """Register ``make``, which returns the loop's class for a class of rules; to be used as a decorator."""
        self._with_rule = make
        return make

    @property
    def members(self) -> Mapping[str, type[Any]]:
        """The methods, and the rules, whose names stand for the loop with them."""
        return {**RULES.members, **self._members}

    def load(self) -> None:
        """Import the modules of the built-in methods and rules."""
        super().load()
        RULES.load()

    def with_rule_of(self, rule: type[Rule]) -> type[Method]:
        """The loop's class for rules of class ``rule``."""
        self.load()
        return self._with_rule(rule)

    def name_of(self, member: type[Method]) -> str:
        """The name under which a class is registered; for the loop with a rule, the rule's name."""
        own = member not in self._members.values() and member.rule_class()
        return RULES.name_of(own) if own else super().name_of(member)

    def member(self, value: Any) -> Any:
        """The loop with ``value``, if it is a rule; any other value unchanged."""
        if not isinstance(value, Rule):
            return value
        RULES.name_of(type(value))  # raises if the rule is not registered, since a configuration could not name it
        return self.with_rule_of(type(value)).model_validate({"rule": value})


def _unknown(rule: type[Rule]) -> type[Method]:
    raise ConfigError("no method trains with a rule.", "Import lenity.methods.")


METHODS = Methods()


class Method(Section, abc.ABC):
    """A recipe for policies at weights w, with what sweeps, plans, evaluations and model cards need to know of it.

    `lenity methods` shows ``paper``, ``equation``, ``cost`` (the runs to train and adapters to store for a front) and ``pitfalls``
    (common mistakes, also in public code); ``presets`` are published settings of a whole run.
    """

    open_set: ClassVar[Registry[Any]] = METHODS
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    cost: ClassVar[str] = "one run and one adapter per weighting"
    pitfalls: ClassVar[str] = ""
    presets: ClassVar[Presets] = {}

    label: Word | None = Field(
        None, description="name in folders and tables, which distinguishes settings of one method"
    )

    @abc.abstractmethod
    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The run folder ``config.output`` with its adapter; see :func:`lenity.methods.train`."""

    @abc.abstractmethod
    def work(self, config: RunConfig, prompts: int) -> Work:
        """The work of a run on ``prompts`` prompts, if all its responses have the greatest length."""

    @classmethod
    def rule_class(cls) -> type[Rule] | None:
        """The class of the rule that the method trains with; None if it trains without a rule."""
        return None

    @property
    def loop_rule(self) -> Rule | None:
        """The rule with which this run trains in the loop; None if its adapter is made in another way."""
        return None

    @property
    def estimator(self) -> Estimator | None:
        """The estimator that the method requires; None if it works with any, by default a critic."""
        return None

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise ``WrongWeightsError`` if the method cannot be run at these preference weights."""

    def check_objectives(self, objectives: Sequence[str]) -> None:
        """Raise ``ConfigError`` if the method's settings do not fit these objectives; this may import large packages."""

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Method | str, Mapping[str, float]]]:
        """The method and weights of each run that the runs at ``points`` are made from."""
        return []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """The method that uses ``runs``, those of :meth:`needed` in that order."""
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The folders of the runs that this run is made from."""
        return ()

    def alone(self) -> Self:
        """The method without the runs that it is made from."""
        return self

    @property
    def examples(self) -> tuple[Pairs, ...]:
        """The data sets that the policy is trained on beside the run's ``prompts``."""
        return ()

    def settled(self, rows: int) -> tuple[str, ...]:
        """The sections of the configuration that have no further effect once ``metrics.jsonl`` has ``rows`` rows."""
        return ()

    def shown(self, prompts: Sequence[str], run: RunFolder) -> list[str]:
        """The text that the policy of ``run`` reads for each of ``prompts``."""
        return list(prompts)

    @property
    def one_policy(self) -> bool:
        """Whether the policy and its prompts are the same at all weights."""
        return False

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """The name of another method whose training at ``weights`` is bit-exactly the same; None if there is none."""
        return None
