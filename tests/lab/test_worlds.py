"""The worlds' values and gradients, against finite differences, Monte Carlo, closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lenity.errors import ConfigError
from lenity.lab.momdp_front import exact_front
from lenity.lab.world import update
from lenity.rules import GAPO, MGDA, PLC, Linear, Rule
from oracles.worlds import KINDS, all_plans, bandit, landscape, process, value_of_plan

seeds = st.integers(0, 10_000)
kinds = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


@kinds
@given(seed=seeds)
@settings(max_examples=10)
def test_the_jacobian_is_the_slope_of_the_values(make, seed):
    worlds, theta = make(seed)
    step, found = 1e-5, worlds.at(theta).jacobian
    for n in range(theta.shape[1]):
        moved = torch.zeros_like(theta)
        moved[:, n] = step
        slope = (worlds.at(theta + moved).values - worlds.at(theta - moved).values) / (2 * step)
        torch.testing.assert_close(found[:, :, n], slope, atol=1e-7, rtol=1e-5)


@kinds
@given(seed=seeds)
@settings(max_examples=10)
def test_advantages_have_mean_0_and_standardised_ones_deviation_1(make, seed):
    worlds, theta = make(seed)
    for point, deviation in ((worlds.at(theta), None), (worlds.at(theta).standardised(), 1.0)):
        share = point.probabilities / point.probabilities.sum(1, keepdim=True)
        mean = torch.einsum("wm,wmk->wk", share, point.advantages)
        torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-7, rtol=0)
        if deviation:
            variance = torch.einsum("wm,wmk->wk", share, point.advantages.square())
            torch.testing.assert_close(variance, torch.ones_like(variance))


def rectified(advantages, weights):
    """The sigmoid gate at temperature .5, written out."""
    total = (weights * advantages).sum(-1, keepdims=True)
    gate = 1 / (1 + np.exp((total - weights * advantages) / 0.5))
    return (weights * np.where(advantages < 0, gate, 1) * advantages).sum(-1)


WEIGHTS = np.array([0.2, 0.5, 0.3])
SAMPLES = 200_000


def assert_near_the_mean(exact, samples):
    """Within 5 standard errors, in every coordinate."""
    error = samples.std(0) / np.sqrt(len(samples))
    assert np.all(np.abs(exact - samples.mean(0)) < 5 * error + 1e-9)


def test_plc_on_a_bandit_is_the_mean_over_sampled_actions():
    worlds, theta = bandit(1, worlds=1)
    rewards, policy = worlds.rewards[0].numpy(), theta[0].softmax(0).numpy()
    actions = np.random.default_rng(0).choice(len(policy), SAMPLES, p=policy)
    score = np.eye(len(policy))[actions] - policy
    credit = rectified(rewards[actions] - policy @ rewards, WEIGHTS)
    exact = update(PLC(temperature=0.5), worlds.at(theta), torch.tensor(WEIGHTS[None]))[0].numpy()
    assert_near_the_mean(exact, credit[:, None] * score)


def test_plc_on_a_landscape_is_the_mean_over_sampled_points():
    worlds, theta = landscape(2, worlds=1, nodes=40)
    sigma, mean = worlds.sigma, theta[0].numpy()
    points = mean + sigma * np.random.default_rng(0).normal(size=(SAMPLES, 2))
    away = ((points[:, None] - worlds.centres[0].numpy()) ** 2).sum(-1)
    rewards = np.exp(-away / (2 * worlds.widths[0].numpy() ** 2)) @ worlds.heights[0].numpy()
    values = worlds.closed_form(theta)[0][0].numpy()
    samples = rectified(rewards - values, WEIGHTS)[:, None] * (points - mean) / sigma**2
    exact = update(PLC(temperature=0.5), worlds.at(theta), torch.tensor(WEIGHTS[None]))[0].numpy()
    assert_near_the_mean(exact, samples)


def test_plc_on_a_process_is_the_mean_over_sampled_episodes():
    """Advantages come from values by enumeration of what can follow, scores from the softmax."""
    worlds, theta = process(3, objectives=3, worlds=1)
    _, horizon, states, actions = worlds.shape
    transitions, rewards, start = (x[0].numpy() for x in (worlds.transitions, worlds.rewards, worlds.start))
    policy = theta.reshape(worlds.shape)[0].softmax(-1).numpy()

    def q(h, s, a):
        after = 0.0 if h + 1 == horizon else sum(transitions[s, a, t] * v(h + 1, t) for t in range(states))
        return rewards[s, a] + after

    def v(h, s):
        return sum(policy[h, s, a] * q(h, s, a) for a in range(actions))

    random, count = np.random.default_rng(0), 40_000
    state, samples = random.choice(states, count, p=start), np.zeros((count, horizon, states, actions))
    for h in range(horizon):
        action = (random.random(count)[:, None] > policy[h, state].cumsum(1)).sum(1)
        table = np.array([[q(h, s, a) - v(h, s) for a in range(actions)] for s in range(states)])
        credit = rectified(table[state, action], WEIGHTS)
        samples[np.arange(count), h, state] += credit[:, None] * (np.eye(actions)[action] - policy[h, state])
        state = (random.random(count)[:, None] > transitions[state, action].cumsum(1)).sum(1).clip(max=states - 1)
    exact = update(PLC(temperature=0.5), worlds.at(theta), torch.tensor(WEIGHTS[None]))[0].numpy()
    assert_near_the_mean(exact, samples.reshape(count, -1))


@given(seed=seeds)
@settings(max_examples=20)
def test_quadrature_is_the_closed_form(seed):
    worlds, theta = landscape(seed, nodes=24)
    values, jacobian = worlds.closed_form(theta)
    point = worlds.at(theta)
    torch.testing.assert_close(point.values, values, atol=1e-9, rtol=1e-8)
    torch.testing.assert_close(point.jacobian, jacobian, atol=1e-7, rtol=1e-6)
    for world in range(len(theta)):
        torch.testing.assert_close(worlds.on_grid(theta[world : world + 1])[world, 0], values[world])


@given(seed=seeds)
@settings(max_examples=10)
def test_the_hessian_is_the_slope_of_the_gradient(seed):
    worlds, theta = landscape(seed)
    weights, step = torch.tensor([[0.2, 0.5, 0.3]] * 2, dtype=torch.float64), 1e-5
    for n in range(2):
        moved = torch.eye(2, dtype=torch.float64)[n] * step
        high, low = (
            torch.einsum("wk,wkn->wn", weights, worlds.closed_form(theta + sign * moved)[1]) for sign in (1, -1)
        )
        torch.testing.assert_close(
            worlds.hessian(theta, weights)[:, n], (high - low) / (2 * step), atol=1e-7, rtol=1e-5
        )


@given(seed=seeds)
@settings(max_examples=5)
def test_nothing_on_a_landscape_lies_beyond_what_is_attainable(seed):
    worlds, _ = landscape(seed)
    weights = torch.tensor([[0.2, 0.5, 0.3]] * 2, dtype=torch.float64)
    lowest, highest = worlds.attainable(weights)
    theta = torch.from_numpy(np.random.default_rng(seed).uniform(-3, 3, (5000, 2)))
    scalar = (worlds.on_grid(theta) * weights.unsqueeze(1)).sum(-1)
    assert (scalar.amin(1) >= lowest - 1e-9).all() and (scalar.amax(1) <= highest + 1e-9).all()
    assert (scalar.amax(1) > highest - 0.02).all()


@pytest.mark.parametrize("seed", range(3))
def test_dynamic_programming_is_brute_force_over_all_policies(seed):
    """Of 64 policies, those that are best for some weights are the front, and the best for given weights is attainable."""
    worlds, _ = process(seed)
    weights = torch.tensor([[0.3, 0.7]] * 2, dtype=torch.float64)
    lowest, highest = worlds.attainable(weights)
    grid = np.linspace(0.5e-4, 1, 10_000, endpoint=False)
    grid = np.stack([grid, 1 - grid], 1)
    for world in range(2):
        values = np.array([value_of_plan(worlds, world, plan) for plan in all_plans(worlds)])
        scalar = values @ weights[world].numpy()
        assert np.isclose(lowest[world], scalar.min()) and np.isclose(highest[world], scalar.max())
        best = np.unique(values[(values @ grid.T).argmax(0)].round(8), axis=0)
        assert np.allclose(exact_front(worlds, world), best, atol=1e-7)


def test_no_policy_is_beyond_the_front_of_three_objectives():
    """Neither a stochastic one nor, at any weights, the best one; and each corner is the best one somewhere."""
    worlds, _ = process(7, objectives=3, worlds=1)
    front = exact_front(worlds)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 3000)
    for row in weights[:50]:
        assert np.isclose(worlds.attainable(torch.tensor(row[None]))[1].item(), (front @ row).max())
    for seed in range(200):
        theta = 3 * torch.randn(1, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert ((front @ weights[:50].T).max(0) >= worlds.at(theta).values[0].numpy() @ weights[:50].T - 1e-9).all()
    assert len(set((front @ weights.T).argmax(0).tolist())) >= 0.9 * len(front) > 5


def test_the_value_of_a_deterministic_policy_is_that_of_its_paths():
    worlds, _ = process(5, worlds=1)
    for plan in list(all_plans(worlds))[::7]:
        logits = torch.nn.functional.one_hot(torch.tensor(plan), worlds.shape[3]).double().flatten()[None] * 60
        assert np.allclose(worlds.at(logits).values[0], value_of_plan(worlds, 0, plan))


@kinds
def test_a_bandit_and_others_move_by_the_rules_of_the_trainer(make, monkeypatch):
    """No copies: what the registered classes compute is what moves a policy."""
    worlds, theta = make(0)
    objectives = worlds.at(theta).values.shape[1]
    weights = torch.full((2, objectives), 1 / objectives, dtype=torch.float64)
    linear = update(Linear(), worlds.at(theta), weights)
    torch.testing.assert_close(linear, torch.einsum("wk,wkn->wn", weights, worlds.at(theta).jacobian))
    monkeypatch.setattr(Linear, "objective_scale", lambda self, advantages, weights: torch.full_like(advantages, 2.0))
    torch.testing.assert_close(update(Linear(), worlds.at(theta), weights), 2 * linear)
    for rule in (MGDA(), GAPO()):
        found = update(rule, worlds.at(theta), weights, torch.tensor([True, False]))
        torch.testing.assert_close(found[0], rule.direction(worlds.at(theta).jacobian[0], weights[0]))
        assert not found[1].any()


def test_a_rule_of_neither_kind_is_refused():
    class Neither(Rule):
        pass

    worlds, theta = bandit(0)
    with pytest.raises(ConfigError, match="combines neither advantages nor gradients"):
        update(Neither(), worlds.at(theta), torch.full((2, 3), 1 / 3, dtype=torch.float64))
