"""Facts that are known: the bandit of two extremes and a compromise, and what paths on a landscape keep."""

from __future__ import annotations

import pytest
import torch

from lenity.lab import facts, figure1
from lenity.lab.ascent import ascend, constant, robbins_monro
from lenity.lab.families import FAMILIES, peaks
from lenity.lab.hand_made import compromise
from lenity.rules import PLC, RULES, Linear

EQUAL = torch.full((1, 2), 0.5, dtype=torch.float64)


@pytest.fixture(scope="module")
def bandit():
    return {fact.rule: fact for fact in facts.facts(EQUAL)}


def test_linear_and_net_find_the_compromise(bandit):
    for name in ("linear", "net, λ = 1"):
        assert bandit[name].values == pytest.approx([0.6, 0.6], abs=1e-3)


def test_the_papers_setting_ends_at_a_mixture_that_the_compromise_dominates(bandit):
    found = bandit["sigmoid, λ = 1"]
    assert found.values == pytest.approx([0.5, 0.5], abs=1e-3)
    assert found.policy == pytest.approx([0.5, 0.5, 0.0], abs=1e-3)


def test_leniency_that_decays_ends_within_a_thousandth_of_linear(bandit):
    for name in ("sigmoid, λ → 0 in a line", "sigmoid, λ → 0 as a cosine"):
        assert bandit[name].values == pytest.approx(bandit["linear"].values, abs=1e-3)
        assert min(bandit[name].curve) < 0.51  # it had been at the mixture


def test_the_rules_are_the_registered_classes():
    for rule in (*facts.rules(0.5).values(), *figure1.rules(0.1).values()):
        assert type(rule) is RULES[RULES.name_of(type(rule))]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_without_leniency_the_path_is_that_of_linear(family):
    problem = family.make(3, 2, 0)
    ends = [
        ascend(problem.worlds, rule, problem.weights, problem.start, steps=20, rate=constant(family.rate))
        for rule in (Linear(), PLC(leniency=0))
    ]
    torch.testing.assert_close(*ends)


def test_worlds_are_drawn_by_seed():
    first, again, other = (peaks(4, 2, seed) for seed in (0, 0, 1))
    assert torch.equal(first.start, again.start) and torch.equal(first.weights, again.weights)
    assert not torch.equal(first.start, other.start)


def test_the_steps_of_robbins_and_monro_sum_to_infinity_and_their_squares_do_not():
    rate = robbins_monro(1.0, delay=1.0, power=0.6)
    sums = [sum(rate(t) for t in range(n)) for n in (1000, 100_000)]
    squares = [sum(rate(t) ** 2 for t in range(n)) for n in (1000, 100_000)]
    assert sums[1] > 5 * sums[0] and squares[1] < 1.2 * squares[0]


def test_a_watch_sees_each_step_before_it_is_made():
    seen = []
    world, start = compromise(), torch.zeros(1, 2, dtype=torch.float64)

    def watch(step, theta, point, direction):
        seen.append((step, theta, direction))

    end = ascend(world, Linear(), EQUAL, start, steps=3, rate=constant(0.5), watch=watch)
    assert [step for step, *_ in seen] == [0, 1, 2] and torch.equal(seen[0][1], start)
    torch.testing.assert_close(end, seen[-1][1] + 0.5 * seen[-1][2])


def test_on_the_hand_made_landscape_only_leniency_without_the_net_gate_crosses_the_valley():
    found = {track.name: track for track in figure1.tracks(EQUAL, 0.1, 2000)}
    assert {name for name, track in found.items() if track.escaped} == {
        "sigmoid, λ = 1", "sigmoid, λ → 0", "centered, λ = 1", "centered, λ → 0",
    }  # fmt: skip
    best = compromise().attainable(EQUAL)[1].item()
    for gate in ("sigmoid", "centered"):
        biased, decayed = (found[f"{gate}, λ {leniency}"].scalar[-1].item() for leniency in ("= 1", "→ 0"))
        assert biased < best - 1e-3 and decayed == pytest.approx(best, abs=1e-6)
    assert found["linear"].kind == "risk-averse" and found["sigmoid, λ = 1"].kind == "not stationary"
