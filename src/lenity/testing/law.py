"""Laws, and how they are checked: on problems that Hypothesis draws and shrinks, then on the named hard problems."""

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
    """A rule does not keep a law; the message has the rule, the law and the smallest input on which it fails."""


@dataclass(frozen=True)
class Law:
    """A property that a rule has on every problem.

    Args:
        holds: raises ``BrokenLaw`` if the property does not hold for a rule and a problem; its docstring states the property.
        claim: whether the law is checked only for rules that claim it.
    """

    holds: Callable[..., None]
    claim: bool

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.holds.__name__

    @property
    def statement(self) -> str:
        """The law in one sentence."""
        return " ".join((self.holds.__doc__ or "").split())

    @cached_property
    def options(self) -> tuple[str, ...]:
        """The names of further arguments about the rule that the law takes."""
        parameters = inspect.signature(self.holds).parameters.values()
        return tuple(each.name for each in parameters if each.kind is each.KEYWORD_ONLY)

    def __call__(self, rule: Rule, problem: Problem, *, named: str = "", **options: Any) -> None:
        """Check the law on one problem.

        Raises:
            BrokenLaw: the rule breaks the law, or raises an error.
        """
        __tracebackhide__ = True
        try:
            self.holds(rule, problem, **options)
        except Exception as error:  # a rule is user code, which may raise anything
            why = str(error) if isinstance(error, BrokenLaw) else f"It raises {type(error).__name__}: {error}"
            where = f"  the named input '{named}'\n" if named else ""
            text = f"{shown(rule)} breaks the law {self.name}: {self.statement}\n{where}{problem}\n{why}"
            raise BrokenLaw(text) from (None if isinstance(error, BrokenLaw) else error)

    def check(self, rule: Rule, **options: Any) -> None:
        """Check the law on the problems that Hypothesis draws, the same in each call, then on the named hard problems.

        Raises:
            BrokenLaw: the rule breaks the law; the message has the smallest such problem.
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
        """The error for the smallest problem on which Hypothesis sees the law broken; None if it cannot be reproduced."""
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
            return None  # a random rule may keep the law the second time
        any(breaks(part) for part in broken[-1][1].parts())
        return broken[-1][0]


@cache
def _drawn(kind: type[Problem], examples: int) -> tuple[Problem, ...]:
    """The problems that Hypothesis draws, cached for all laws and rules, since drawing takes longer than a rule."""
    problems: list[Problem] = []
    _search(problems.append, kind, examples)
    return tuple(problems)


def _search(check: Callable[[Any], None], kind: type[Problem], examples: int) -> None:
    """Call ``check`` on problems that Hypothesis draws, the same in each call; raises the error of the smallest failing one."""
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
    """The class of a rule and its fields that were set, as text.

    >>> from lenity.rules import PLC
    >>> shown(PLC(gate="net"))
    "PLC(gate='net')"
    """
    return f"{type(rule).__name__}({', '.join(f'{name}={getattr(rule, name)!r}' for name in sorted(rule.model_fields_set))})"


def same(what: str, actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Check that both tensors have the same shape and agree within the absolute ``tolerance``; NaN equals NaN.

    Raises:
        BrokenLaw: they do not.
    """
    if actual.shape != expected.shape:
        raise BrokenLaw(f"{what} has the shape {tuple(actual.shape)} where the law wants {tuple(expected.shape)}.")
    if not torch.allclose(actual.to(expected), expected, rtol=0, atol=tolerance, equal_nan=True):
        raise BrokenLaw(f"{what} is {actual.tolist()} where the law wants {expected.tolist()}.")


def at_least(what: str, actual: Tensor, least: Tensor, tolerance: float) -> None:
    """Check that ``actual`` is at least ``least``, up to ``tolerance``.

    Raises:
        BrokenLaw: it is not.
    """
    if (actual < least - tolerance).any():
        raise BrokenLaw(f"{what} is {actual.tolist()} where the law wants at least {least.tolist()}.")


def rounding(problem: Problem) -> float:
    """The absolute tolerance for rounding in a result."""
    return ROUNDING * problem.largest


def law(*books: dict[str, Law], claim: bool = False) -> Callable[[Callable[..., None]], Law]:
    """The decorator that turns a function into a law and adds it to ``books`` under its name."""

    def add(holds: Callable[..., None]) -> Law:
        new = Law(holds, claim)
        for book in books:
            book[new.name] = new
        return new

    return add
