"""The laws that are checked for a rule, as parameters of a pytest test: those of every rule, and those that its author claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError
from lenity.rules import AdvantageRule, GradientRule, Rule
from lenity.testing import advantage_laws, gradient_laws  # noqa: F401 - they write their laws into the books
from lenity.testing.common_laws import ADVANTAGE_LAWS, GRADIENT_LAWS
from lenity.testing.extra import hypothesis, package
from lenity.testing.law import BrokenLaw, Law, shown


@dataclass(frozen=True)
class Case:
    """A rule, a law that is checked for it, and the law's further arguments about the rule."""

    rule: Rule
    law: Law
    options: Mapping[str, Any]

    def check(self) -> None:
        """Check the law; raises ``BrokenLaw`` with the smallest input on which the rule breaks it."""
        __tracebackhide__ = True
        self.law.check(self.rule, **self.options)

    def __str__(self) -> str:
        return f"{shown(self.rule)}-{self.law.name}"


def laws_of(
    rule: Rule,
    *,
    claims: Iterable[str] = (),
    exceptions: Mapping[str, str] | None = None,
    largest_scale: float | None = None,
    temperature: str | None = None,
) -> list[Any]:
    """One ``pytest.param`` per law of the rule's kind, for ``pytest.mark.parametrize``; each holds a :class:`Case`.

    Laws that every rule keeps are checked. Of the others, those in ``claims`` are checked, and the rest are skipped with the reason
    "not claimed". A law in ``exceptions`` must fail (a strict xfail with the author's reason), so that no exception is unnecessary.

    Args:
        rule: an ``AdvantageRule`` or a ``GradientRule``.
        claims: names of laws that this rule keeps though not every rule does: of ``keeps_gains``, ``only_forgives``,
            ``keeps_sign`` and ``ignores_weights`` for advantages, ``non_conflict`` and ``ignores_weights`` for gradients.
        exceptions: the reason why the rule does not keep a law that every rule should, by the law's name.
        largest_scale: the maximum of ``objective_scale``, 1 by default.
        temperature: the name of the field that must be scaled together with the advantages.

    Raises:
        ConfigError: no such law or field, a rule of neither kind, or pytest or Hypothesis is not installed.
    """
    laws = _book(rule)
    claims, exceptions = set(claims), dict(exceptions or {})
    if says_that_weights_play_no_part(rule):
        claims.add("ignores_weights")
    options = {"largest_scale": largest_scale, "temperature": temperature}
    options = {name: value for name, value in options.items() if value is not None}
    _refuse_unknown("claims", claims, [name for name, law in laws.items() if law.claim])
    _refuse_unknown("exceptions", exceptions, [name for name, law in laws.items() if not law.claim])
    _refuse_unknown("options", options, [name for law in laws.values() for name in law.options])
    if temperature and temperature not in type(rule).model_fields:
        _refuse_unknown("temperature", [temperature], list(type(rule).model_fields))
    mark, param = package("pytest").mark, package("pytest").param
    hypothesis()  # if it is missing, fail here and not in each test
    cases = []
    for name, law in laws.items():
        case = Case(rule, law, {key: value for key, value in options.items() if key in law.options})
        marks = []
        if law.claim and name not in claims:
            marks.append(mark.skip(reason=f"{shown(rule)}: {name} is not claimed"))
        if name in exceptions:
            marks.append(mark.xfail(reason=f"{shown(rule)}: {exceptions[name]}", strict=True, raises=BrokenLaw))
        cases.append(param(case, id=str(case), marks=marks))
    return cases


def says_that_weights_play_no_part(rule: Rule) -> bool:
    """Whether the rule declares that it ignores the weights, so that one training serves all weights."""
    return not rule.uses_weights


def _book(rule: Rule) -> dict[str, Law]:
    if isinstance(rule, AdvantageRule):
        return ADVANTAGE_LAWS
    if isinstance(rule, GradientRule):
        return GRADIENT_LAWS
    raise ConfigError(
        f"{rule!r} combines neither advantages nor gradients, so there is no law for it.",
        "Give an instance of a class made of AdvantageRule or GradientRule.",
    )


def _refuse_unknown(argument: str, names: Iterable[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ConfigError(
                f"{argument} names '{name}', which is none of this rule's.",
                " ".join(filter(None, (hint, f"Known: {', '.join(known)}."))),
            )
