"""What a law is, and how it is tried: on problems that Hypothesis draws and shrinks, then on the named hard ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor

from lenity.rules import Rule
from lenity.testing.extra import hypothesis
from lenity.testing.problems import (
    AdvantageProblem,
    GradientProblem,
    Problem,
    advantage_problems,
    gradient_problems,
    hard_problems,
    kind_of,
)

STRATEGIES = {AdvantageProblem: advantage_problems, GradientProblem: gradient_problems}
ROUNDING = 1e-9  # relative to the largest number of the problem


class BrokenLaw(AssertionError):  # noqa: N818 - what is wrong is the rule
    """A rule does not keep a law; the message has the rule, the law and the smallest input that was found."""


@dataclass(frozen=True)
class Law:
    """One sentence that holds for a rule on every problem.

    Args:
        holds: raises ``BrokenLaw`` where it does not hold for a rule and a problem; its docstring is the sentence.
        claim: whether only rules that claim the law are held to it.
    """

    holds: Callable[..., None]
    claim: bool

    @property
    def name(self) -> str:
        """Of the function."""
        return self.holds.__name__

    @property
    def statement(self) -> str:
        """The law in one sentence."""
        return " ".join((self.holds.__doc__ or "").split())

    @cached_property
    def options(self) -> tuple[str, ...]:
        """What the law needs to know of the rule beside it."""
        parameters = inspect.signature(self.holds).parameters.values()
        return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)

    def __call__(self, rule: Rule, problem: Problem, *, named: str = "", **options: Any) -> None:
        """Try one problem; raise ``BrokenLaw`` where the rule breaks the law on it, or fails."""
        __tracebackhide__ = True
        try:
            self.holds(rule, problem, **options)
        except Exception as error:  # a rule is anyone's code
            why = str(error) if isinstance(error, BrokenLaw) else f"It raises {type(error).__name__}: {error}"
            where = f"  the named input '{named}'\n" if named else ""
            text = f"{shown(rule)} breaks the law {self.name}: {self.statement}\n{where}{problem}\n{why}"
            raise BrokenLaw(text) from (None if isinstance(error, BrokenLaw) else error)

    def check(self, rule: Rule, **options: Any) -> None:
        """Try problems that Hypothesis draws, the same at each call, then the named hard ones.

        Raises:
            BrokenLaw: with the smallest problem found.
            ConfigError: Hypothesis is not installed.
        """
        __tracebackhide__ = True
        kind = kind_of(rule)
        try:
            for problem in _drawn(kind, hypothesis().settings().max_examples):
                self(rule, problem, **options)
        except BrokenLaw as first:
            raise self._smallest(rule, kind, options) or first from first.__cause__
        for name, problem in hard_problems(rule):
            self(rule, problem, named=name, **options)

    def _smallest(self, rule: Rule, kind: type[Problem], options: dict[str, Any]) -> BrokenLaw | None:
        """The same broken law on the smallest problem that Hypothesis finds, without what it adds: the message has the input."""
        broken: list[tuple[BrokenLaw, Problem]] = []

        def breaks(problem: Problem) -> bool:
            try:
                self(rule, problem, **options)
            except BrokenLaw as error:
                broken.append((error, problem))
                return True
            return False

        def search(problem: Problem) -> None:
            if breaks(problem):
                raise BrokenLaw

        with suppress(BrokenLaw):
            _search(search, kind, hypothesis().settings().max_examples)
        if not broken:
            return None  # a rule that draws at random keeps the law the second time
        any(breaks(part) for part in broken[-1][1].parts())
        return broken[-1][0]


@cache
def _drawn(kind: type[Problem], examples: int) -> tuple[Problem, ...]:
    """The problems that Hypothesis draws, once for all laws and rules: drawing takes longer than a rule."""
    problems: list[Problem] = []
    _search(problems.append, kind, examples)
    return tuple(problems)


def _search(check: Callable[[Any], None], kind: type[Problem], examples: int) -> None:
    """Have Hypothesis draw problems, the same at each call, and raise what ``check`` raises for the smallest."""
    package = hypothesis()

    @package.settings(  # type: ignore[untyped-decorator]
        max_examples=examples, deadline=None, database=None, derandomize=True, report_multiple_bugs=False, print_blob=False,
        phases=(package.Phase.generate, package.Phase.shrink), suppress_health_check=list(package.HealthCheck),
    )  # fmt: skip
    @package.given(STRATEGIES[kind]())  # type: ignore[untyped-decorator]
    def search(problem: Any) -> None:
        check(problem)

    search()


def shown(rule: Rule) -> str:
    """A rule as its class and the fields that were set.

    >>> from lenity.rules import PLC
    >>> shown(PLC(gate="net"))
    "PLC(gate='net')"
    """
    return f"{type(rule).__name__}({', '.join(f'{name}={getattr(rule, name)!r}' for name in sorted(rule.model_fields_set))})"


def same(what: str, found: Tensor, wanted: Tensor, tolerance: float) -> None:
    """Raise ``BrokenLaw`` unless both have one shape and agree within ``tolerance``, absolute; NaN is as good as NaN."""
    if found.shape != wanted.shape:
        raise BrokenLaw(f"{what} has the shape {tuple(found.shape)} where the law wants {tuple(wanted.shape)}.")
    if not torch.allclose(found.to(wanted), wanted, rtol=0, atol=tolerance, equal_nan=True):
        raise BrokenLaw(f"{what} is {found.tolist()} where the law wants {wanted.tolist()}.")


def at_least(what: str, found: Tensor, least: Tensor, tolerance: float) -> None:
    """Raise ``BrokenLaw`` where ``found`` is less than ``least`` by more than ``tolerance``."""
    if (found < least - tolerance).any():
        raise BrokenLaw(f"{what} is {found.tolist()} where the law wants at least {least.tolist()}.")


def rounding(problem: Problem) -> float:
    """What rounding may change in a result, absolute."""
    return ROUNDING * problem.largest


def law(*books: dict[str, Law], claim: bool = False) -> Callable[[Callable[..., None]], Law]:
    """Decorator: the function's law, written into ``books`` under its name."""

    def add(holds: Callable[..., None]) -> Law:
        made = Law(holds, claim)
        for book in books:
            book[made.name] = made
        return made

    return add
