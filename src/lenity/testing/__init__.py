"""Tests for your own rule: the laws that every rule keeps, and a tiny policy and tiny worlds to train with it."""

from lenity.testing.common_laws import ADVANTAGE_LAWS, GRADIENT_LAWS
from lenity.testing.doubles import climb_bandit, save_tiny_policy, tiny_policy, train_in_toy_world
from lenity.testing.law import BrokenLaw, Law
from lenity.testing.laws_of import Case, laws_of
from lenity.testing.problems import (
    HARD_ADVANTAGES,
    HARD_JACOBIANS,
    AdvantageProblem,
    GradientProblem,
    advantage_problems,
    gradient_problems,
    hard_problems,
)

__all__ = [
    "ADVANTAGE_LAWS", "GRADIENT_LAWS", "HARD_ADVANTAGES", "HARD_JACOBIANS", "AdvantageProblem", "BrokenLaw", "Case",
    "GradientProblem", "Law", "advantage_problems", "climb_bandit", "gradient_problems", "hard_problems", "laws_of",
    "save_tiny_policy", "tiny_policy", "train_in_toy_world",
]  # fmt: skip
