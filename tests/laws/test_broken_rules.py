"""Each law of :mod:`lenity.testing` fails for a rule that is broken in this one respect, and for nothing else."""

from __future__ import annotations

import pytest
import torch
from pydantic import PrivateAttr

from lenity.rules import GAPO, MGDA, AdvantageRule, Linear
from lenity.testing import ADVANTAGE_LAWS, GRADIENT_LAWS, BrokenLaw


class Share(AdvantageRule):
    """Counts half of a loss where ``where`` says so and the objectives together do not lose: as lenient as the laws allow."""

    def objective_scale(self, advantages, weights):
        total = (weights * advantages).sum(-1, keepdim=True)
        some = (advantages < 0) & (total >= 0) & self.where(advantages, weights, total)
        return torch.where(some, 0.5, 1.0).to(advantages)

    def where(self, advantages, weights, total):
        return torch.tensor(True)


class FirstAlone(Share):
    def where(self, advantages, weights, total):
        return torch.arange(advantages.shape[-1]) == 0


class WeightsOfNothing(Linear):
    def objective_scale(self, advantages, weights):
        return torch.where(advantages == 0, -1.0, 1.0).to(advantages)


class SmallerBatches(Share):
    def where(self, advantages, weights, total):
        return torch.tensor(advantages.numel() > advantages.shape[-1])


class Cubes(Linear):
    """1, by way of cubes, which overflow in float32."""

    def objective_scale(self, advantages, weights):
        cubes = advantages.double().where(advantages != 0, 1.0).to(advantages) ** 3
        return cubes / cubes


class Threshold(Share):
    def where(self, advantages, weights, total):
        return total >= 1


class OnlyAlone(AdvantageRule):
    def objective_scale(self, advantages, weights):
        alone = advantages.shape[-1] == 1
        return torch.where((advantages < 0) & torch.tensor(alone), 0.5, 1.0).to(advantages)


class Counting(Share):
    _asked: int = PrivateAttr(0)

    def where(self, advantages, weights, total):
        self._asked += 1
        return torch.tensor(self._asked % 2 == 0)


class Unweighted(Share):
    def where(self, advantages, weights, total):
        return (advantages.where(weights == 0, 0.0) <= 0).all(-1, keepdim=True)


class LikesGains(AdvantageRule):
    def objective_scale(self, advantages, weights):
        gains = ((advantages >= 0) | (weights == 0)).all(-1, keepdim=True) & torch.tensor(advantages.shape[-1] > 1)
        return torch.where(gains, 1.5, 1.0).to(advantages).expand_as(advantages)


class Strict(AdvantageRule):
    def objective_scale(self, advantages, weights):
        losing = ((weights * advantages).sum(-1, keepdim=True) < 0) & torch.tensor(advantages.shape[-1] > 1)
        return torch.where(losing & (advantages < 0), 1.5, 1.0).to(advantages)


class Blind(AdvantageRule):
    """Waives losses that come with any gain of another objective."""

    def objective_scale(self, advantages, weights):
        gain = (weights * advantages > 0).any(-1, keepdim=True)
        return torch.where((advantages < 0) & gain, 0.0, 1.0).to(advantages)


def with_method(base, name, method):
    """``base`` with another method, set afterwards: a class may refuse to define it."""
    kind = type("Changed", (base,), {"__module__": __name__})
    setattr(kind, name, method)
    return kind()


def doubled(self, advantages, weights):
    return (weights * advantages).sum(-1)


def wiping(self, advantages, weights):
    found = (weights * advantages).sum(-1)
    advantages.zero_()
    return found


class Halves(AdvantageRule):
    def objective_scale(self, advantages, weights):
        return torch.full_like(advantages, 0.5)


def first_memory(self, objectives):
    return {"steps": torch.zeros(())}


class CountsInPlace(Linear):
    """Writes into the memory that it is given."""

    initial_memory = first_memory

    def step(self, advantages, weights, memory):
        memory["steps"] += 1
        return self.objective_scale(advantages, weights), memory


BROKEN = {
    "order_of_objectives": FirstAlone(),
    "bounded": WeightsOfNothing(),
    "weighted_sum": with_method(Halves, "rectify", doubled),
    "each_row_alone": SmallerBatches(),
    "inputs_unchanged": with_method(Linear, "rectify", wiping),
    "finite": Cubes(),
    "keeps_scale": Threshold(),
    "one_objective": OnlyAlone(),
    "repeats": Counting(),
    "memory_unchanged": CountsInPlace(),
    "weight_zero": Unweighted(),
    "keeps_gains": LikesGains(),
    "only_forgives": Strict(),
    "keeps_sign": Blind(),
}


class Longer(MGDA):
    """MGDA's direction, at another length where ``where`` says so."""

    def combination(self, jacobian, weights):
        return super().combination(jacobian, weights) * (2.0 if self.where(jacobian, weights) else 1.0)

    def where(self, jacobian, weights):
        return False


class FirstIsLonger(Longer):
    def where(self, jacobian, weights):
        return jacobian[0].norm() > jacobian[-1].norm()


class TwoRules(MGDA):
    """MGDA for small gradients and GAPO for large ones: neither is against an objective."""

    def combination(self, jacobian, weights):
        return (GAPO() if jacobian.norm() > 10 else MGDA()).combination(jacobian, weights)


class GradientCubes(MGDA):
    def combination(self, jacobian, weights):
        cubes = jacobian.norm(dim=1).clamp(min=1) ** 3
        return super().combination(jacobian, weights) * cubes / cubes


class NothingAlone(MGDA):
    def combination(self, jacobian, weights):
        return super().combination(jacobian, weights) * (len(jacobian) > 1)


class CountingGradients(Longer):
    _asked: int = PrivateAttr(0)

    def where(self, jacobian, weights):
        self._asked += 1
        return self._asked % 2 == 0


class Mean(MGDA):
    def combination(self, jacobian, weights):
        return torch.full_like(weights, 1 / len(weights))


class Weighted(Longer):
    def where(self, jacobian, weights):
        return weights.max() > 0.9


def twice(self, jacobian, weights):
    return 2 * self.combination(jacobian, weights) @ jacobian


def wiping_gradients(self, jacobian, weights):
    found = self.combination(jacobian, weights) @ jacobian
    jacobian.zero_()
    return found


class CountsGradientsInPlace(MGDA):
    """Writes into the memory that it is given."""

    initial_memory = first_memory

    def step(self, jacobian, weights, memory):
        memory["steps"] += 1
        return self.combination(jacobian, weights), memory


BROKEN_GRADIENTS = {
    "order_of_objectives": FirstIsLonger(),
    "weighted_sum": with_method(MGDA, "direction", twice),
    "inputs_unchanged": with_method(MGDA, "direction", wiping_gradients),
    "finite": GradientCubes(),
    "keeps_scale": TwoRules(),
    "one_objective": NothingAlone(),
    "repeats": CountingGradients(),
    "memory_unchanged": CountsGradientsInPlace(),
    "non_conflict": Mean(),
    "ignores_weights": Weighted(),
}


def broken_laws(rule, laws, **options):
    """The names of the laws that ``rule`` breaks."""
    found = set()
    for name, law in laws.items():
        try:
            law.check(rule, **{key: value for key, value in options.items() if key in law.options})
        except BrokenLaw:
            found.add(name)
    return found


def test_every_law_has_its_broken_rule():
    assert BROKEN.keys() | {"ignores_weights"} == ADVANTAGE_LAWS.keys()  # that law is common to both kinds
    assert BROKEN_GRADIENTS.keys() == GRADIENT_LAWS.keys()


@pytest.mark.parametrize("name", BROKEN)
def test_a_rule_broken_in_one_respect_breaks_one_law(name):
    largest = 1.5 if name in ("keeps_gains", "only_forgives") else 1.0
    laws = {key: law for key, law in ADVANTAGE_LAWS.items() if key != "ignores_weights"}
    assert broken_laws(BROKEN[name], laws, largest_scale=largest) == {name}


@pytest.mark.parametrize("name", BROKEN_GRADIENTS)
def test_a_gradient_rule_broken_in_one_respect_breaks_one_law(name):
    assert broken_laws(BROKEN_GRADIENTS[name], GRADIENT_LAWS) == {name}
