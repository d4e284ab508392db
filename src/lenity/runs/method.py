"""What a method is: a recipe that says which runs it needs, how they are trained and how they give a policy at weights w."""

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

Callback = Callable[[dict[str, Any]], Any]  # of the row of an iteration; it may return lenity.STOP


class Methods(Registry["Method"]):
    """Methods by name; the name of a rule, or a rule itself, stands for the loop with it."""

    def __init__(self) -> None:
        built_in = (
            "lenity.methods.loop",
            "lenity.methods.scalar",
            "lenity.methods.soups",
            "lenity.methods.rewards_in_context",
        )
        # a method under lenity.rules, the one group of before, is read until the next version
        super().__init__("method", ("lenity.methods", "lenity.rules"), built_in, former="name")
        self._with_rule: Callable[[type[Rule]], type[Method]] = _unknown

    def __getitem__(self, name: str) -> type[Method]:
        found: type[Any] = super().__getitem__(name)
        if name not in RULES.members:
            return found
        if name in self._members:
            where = RULES.members[name].__module__
            raise ConfigError(f"'{name}' is a method of {found.__module__} and a rule of {where}.", "Rename one.")
        if not issubclass(found, Rule):
            where = self.origin(found.__module__) or found.__module__
            raise ConfigError(
                f"method '{name}' of {where} cannot be made: {found.__name__} is no Rule.", "Repair it there."
            )
        return self._with_rule(found)

    def with_rule(self, make: Callable[[type[Rule]], type[Method]]) -> Callable[[type[Rule]], type[Method]]:
        """Decorator of the function that gives the loop with rules of a class."""
        self._with_rule = make
        return make

    @property
    def members(self) -> Mapping[str, type[Any]]:
        """Recipes, and the rules whose names stand for the loop with them."""
        return {**RULES.members, **self._members}

    def load(self) -> None:
        """Import the modules of the built-in methods and rules."""
        super().load()
        RULES.load()

    def with_rule_of(self, rule: type[Rule]) -> type[Method]:
        """The loop with rules of this class."""
        self.load()
        return self._with_rule(rule)

    def name_of(self, member: type[Method]) -> str:
        """The name a class was registered under; of the loop with a rule, the rule's."""
        own = member not in self._members.values() and member.rule_class()
        return RULES.name_of(own) if own else super().name_of(member)

    def member(self, value: Any) -> Any:
        """A rule as the loop with it; all else as it is."""
        if not isinstance(value, Rule):
            return value
        RULES.name_of(type(value))  # or no configuration could name it
        return self.with_rule_of(type(value)).model_validate({"rule": value})


def _unknown(rule: type[Rule]) -> type[Method]:
    raise ConfigError("no method trains with a rule.", "Import lenity.methods.")


METHODS = Methods()


class Method(Section, abc.ABC):
    """A recipe for policies at weights w; what sweeps, plans, evaluations and cards want to know is asked of it.

    ``paper``, ``equation``, ``cost`` (what a front takes: runs to train, adapters to keep) and ``pitfalls`` (what goes wrong
    easily, and in public code) are what `lenity methods` shows; ``presets`` are published settings of a whole run.
    """

    open_set: ClassVar[Registry[Any]] = METHODS
    paper: ClassVar[str] = ""
    equation: ClassVar[str] = ""
    cost: ClassVar[str] = "one run and one adapter a weighting"
    pitfalls: ClassVar[str] = ""
    presets: ClassVar[Presets] = {}

    label: Word | None = Field(None, description="name in folders and tables, to tell settings of one method apart")

    @abc.abstractmethod
    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The run folder ``config.output`` with its adapter; see :func:`lenity.methods.train`."""

    @abc.abstractmethod
    def work(self, config: RunConfig, prompts: int) -> Work:
        """What a run takes that trains on ``prompts`` prompts, all its responses being of the greatest length."""

    @classmethod
    def rule_class(cls) -> type[Rule] | None:
        """The class of the rule that it trains with; None where it trains with none."""
        return None

    @property
    def loop_rule(self) -> Rule | None:
        """The rule with which this run trains in the loop; None where its adapter is made in another way."""
        return None

    @property
    def estimator(self) -> Estimator | None:
        """The estimator that is a part of the method; None where it takes any, a critic by default."""
        return None

    def check_weights(self, weights: Mapping[str, float]) -> None:
        """Raise ``WrongWeightsError`` where the method cannot be run at these preference weights."""

    def check_objectives(self, objectives: Sequence[str]) -> None:
        """Raise ``ConfigError`` where its settings do not allow a run of these objectives; may import much."""

    def needed(
        self, objectives: Sequence[str], points: Sequence[Mapping[str, float]]
    ) -> list[tuple[Method | str, Mapping[str, float]]]:
        """Method and weights of the runs that the runs at ``points`` are made from."""
        return []

    def from_runs(self, runs: Sequence[RunConfig]) -> Self:
        """The method that is made from ``runs``, those it :meth:`needed` in that order."""
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Run folders that this run is made from."""
        return ()

    def alone(self) -> Self:
        """The method without the runs that it is made from."""
        return self

    @property
    def examples(self) -> tuple[Pairs, ...]:
        """Data that the policy learns from beside the run's ``prompts``."""
        return ()

    def settled(self, rows: int) -> tuple[str, ...]:
        """Sections of the configuration that no longer do anything once ``metrics.jsonl`` has ``rows`` rows."""
        return ()

    def shown(self, prompts: Sequence[str], run: RunFolder) -> list[str]:
        """What the policy of ``run`` reads for each of ``prompts``."""
        return list(prompts)

    @property
    def one_policy(self) -> bool:
        """Whether the policy and what it reads are the same at all weights."""
        return False

    def twin(self, weights: Mapping[str, float]) -> str | None:
        """The name of another method whose training at ``weights`` is this one's to the last bit, if there is one."""
        return None
