"""Inputs of rules, here called problems: advantages or gradients of K objectives with weights; named hard ones, and Hypothesis strategies."""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor

from lenity.rules import GradientRule, Rule
from lenity.testing.extra import hypothesis

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

LARGEST = 100.0  # maximum of the numbers that strategies draw, with three decimals, so that products do not underflow
EVEN, ONE, NOT_LAST = "even weights", "all weight on one", "none on the last"
OBJECTIVES = 3  # number of objectives of the hard problems


@dataclass(frozen=True, eq=False)
class Problem(abc.ABC):
    """K objectives' advantages or gradients, and preference weights (K,), at least 0, sum 1."""

    values: Tensor
    weights: Tensor

    called: ClassVar[str]
    axis: ClassVar[int]

    @abc.abstractmethod
    def ask(self, rule: Any) -> Tensor:
        """The output of ``rule`` for these tensors themselves."""

    @property
    @abc.abstractmethod
    def shape(self) -> torch.Size:
        """The shape of a rule's output."""

    def answer(self, rule: Any) -> Tensor:
        """The output of a copy of ``rule`` for copies of the tensors, so that calls do not affect each other."""
        return self.cloned().ask(copy.deepcopy(rule))

    def cloned(self) -> Self:
        """The problem with copies of the tensors."""
        return replace(self, values=self.values.clone(), weights=self.weights.clone())

    def permuted(self, order: Sequence[int]) -> Self:
        """The problem with its objectives in another order."""
        index = torch.tensor(order)
        return replace(self, values=self.values.index_select(self.axis, index), weights=self.weights[index])

    def to(self, dtype: torch.dtype) -> Self:
        """The problem in another precision."""
        return replace(self, values=self.values.to(dtype), weights=self.weights.to(dtype))

    def parts(self) -> Iterator[Self]:
        """The smaller problems that this one consists of, if any."""
        return iter(())

    @property
    def largest(self) -> float:
        """The greatest absolute value."""
        return float(self.values.abs().max())

    def __str__(self) -> str:
        names = (self.called, "weights")
        width = max(map(len, names))
        values = zip(names, (self.values, self.weights), strict=True)
        return "\n".join(f"  {name:<{width}} = {value.tolist()}" for name, value in values)


class AdvantageProblem(Problem):
    """Advantages (B, K), everything maximised, for an ``AdvantageRule``."""

    called, axis = "advantages", -1

    def ask(self, rule: Any) -> Tensor:
        """The rectified advantages, (B,)."""
        found: Tensor = rule.rectify(self.values, self.weights)
        return found

    @property
    def shape(self) -> torch.Size:
        """(B,)."""
        return self.values.shape[:-1]

    def objective_scale(self, rule: Any) -> Tensor:
        """The ``objective_scale`` of a copy of ``rule``, (B, K)."""
        mine = self.cloned()
        found: Tensor = copy.deepcopy(rule).objective_scale(mine.values, mine.weights)
        return found

    def parts(self) -> Iterator[Self]:
        """One problem per row."""
        return (replace(self, values=row[None]) for row in self.values)

    @property
    def linear(self) -> Tensor:
        """The weighted sums sum_k w_k A_k, (B,)."""
        return (self.weights * self.values).sum(-1)


class GradientProblem(Problem):
    """A Jacobian (K, N), one gradient per row, for a ``GradientRule``."""

    called, axis = "jacobian", 0

    def ask(self, rule: Any) -> Tensor:
        """The common direction, (N,)."""
        found: Tensor = rule.direction(self.values, self.weights)
        return found

    @property
    def shape(self) -> torch.Size:
        """(N,)."""
        return self.values.shape[1:]

    def combination(self, rule: Any) -> Tensor:
        """The coefficients of the gradients in the direction of a copy of ``rule``, (K,)."""
        mine = self.cloned()
        found: Tensor = copy.deepcopy(rule).combination(mine.values, mine.weights)
        return found

    @property
    def lengths(self) -> Tensor:
        """The lengths of the gradients, (K,)."""
        found: Tensor = self.values.norm(dim=1)
        return found


def _normal(rows: int, columns: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _table(rows: Sequence[Sequence[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


_ROWS, _BASE = _normal(4, OBJECTIVES), _normal(OBJECTIVES, 7)
_UNLIKE = _table([[1e-15, 1.0, 1e15]])

HARD_ADVANTAGES: dict[str, Tensor] = {
    "zeros": torch.zeros(4, OBJECTIVES, dtype=torch.float64),
    "all losing": -torch.ones(4, OBJECTIVES, dtype=torch.float64),
    "conflicting": _table([[1.0, -1.0, 0.0], [1.0, -1.0 + 1e-12, 0.0]]),
    "one objective copied": _ROWS[:, :1].expand(4, OBJECTIVES),
    "ordinary": _ROWS,
    "tiny": _ROWS * 1e-15,
    "huge": _ROWS * 1e15,
    "unlike scales": _ROWS * _UNLIKE,
}
"""Advantages (B, 3) that rules have failed on, by name."""

HARD_JACOBIANS: dict[str, Tensor] = {
    "zeros": torch.zeros(OBJECTIVES, 7, dtype=torch.float64),
    "one row zero": _BASE * _table([[1.0], [0.0], [1.0]]),
    "rank 1": _BASE[:1] * _table([[1.0], [2.0], [-1.0]]),
    "opposed": torch.stack([_BASE[0], -_BASE[0], _BASE[1]]),
    "nearly opposed": torch.stack([_BASE[0], -_BASE[0] + 1e-9 * _BASE[1], _BASE[1]]),
    "more objectives than parameters": _normal(7, OBJECTIVES),
    "ordinary": _BASE,
    "tiny": _BASE * 1e-15,
    "huge": _BASE * 1e15,
    "unlike scales": _BASE * _UNLIKE.T,
}
"""Jacobians (K, N) that rules have failed on, by name."""


def kind_of(rule: Rule) -> type[Problem]:
    """The class of problems for ``rule``."""
    return GradientProblem if isinstance(rule, GradientRule) else AdvantageProblem


def hard_problems(rule: Rule) -> Iterator[tuple[str, Problem]]:
    """The named hard problems for ``rule``: each with even weights, all weight on the first objective, and none on the last."""
    kind = kind_of(rule)
    tables = HARD_ADVANTAGES if kind is AdvantageProblem else HARD_JACOBIANS
    for name, values in tables.items():
        objectives = values.shape[kind.axis]
        ones = torch.ones(objectives, dtype=values.dtype)
        first, last = torch.eye(objectives, dtype=values.dtype)[[0, -1]]
        for where, shares in ((EVEN, ones), (ONE, first), (NOT_LAST, ones - last)):
            yield f"{name}, {where}", kind(values, shares / shares.sum())


def advantage_problems(objectives: int = 5, rows: int = 4) -> SearchStrategy[AdvantageProblem]:
    """A Hypothesis strategy: advantages (B, K) up to ``rows`` by ``objectives``, weights in the simplex with zeros among them."""
    return _problems(AdvantageProblem, objectives, rows)


def gradient_problems(objectives: int = 5, parameters: int = 8) -> SearchStrategy[GradientProblem]:
    """A Hypothesis strategy: Jacobians (K, N) up to ``objectives`` by ``parameters``, weights in the simplex with zeros among them."""
    return _problems(GradientProblem, objectives, parameters)


def _problems(kind: type[Any], objectives: int, others: int) -> SearchStrategy[Any]:
    st = hypothesis().strategies
    number = st.floats(-LARGEST, LARGEST).map(lambda x: round(x, 3))

    share = st.one_of(st.integers(0, 3), st.integers(0, 1000))
    pick = st.tuples(st.integers(0, objectives - 1), share)

    @st.composite  # type: ignore[misc,untyped-decorator,unused-ignore]
    def draws(draw: Any) -> Any:
        """Rows and picked columns, so that shrinking can drop a row or an objective; one column may be picked twice."""
        rows = _table(draw(st.lists(st.tuples(*[number] * objectives), min_size=1, max_size=others)))
        picks = st.lists(pick, min_size=1, max_size=objectives).filter(lambda found: any(share for _, share in found))
        columns, shares = zip(*draw(picks), strict=True)
        values = rows[:, list(columns)]
        return kind(values.T.contiguous() if kind.axis == 0 else values, _table([shares])[0] / sum(shares))

    found: SearchStrategy[Any] = draws()
    return found
