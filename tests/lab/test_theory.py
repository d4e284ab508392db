"""The classifier on points made by hand, and the theorems' quantities against their definitions."""

from __future__ import annotations

import io
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lenity.lab.equilibria import classify, latent_surplus
from lenity.lab.families import peaks
from lenity.lab.landscape import Landscapes
from lenity.lab.stationary import stalemates
from lenity.lab.theory import bias, definitions, limit, recovery, theorems
from lenity.lab.theory.check import Check, markdown, table
from lenity.rules import PLC, Linear

HALF = torch.tensor([0.5, 0.5], dtype=torch.float64)


def jacobian(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_kinds_of_points_made_by_hand():
    opposed, flat, agreed = jacobian([1.0, 0], [-1.0, 0]), torch.zeros(2, 2).double(), jacobian([1.0, 0], [0.5, 0.5])
    assert classify(opposed, HALF).kind == "risk-averse"
    assert classify(flat, HALF).kind == "consensus"
    assert classify(agreed, HALF).kind == "not stationary"
    assert classify(1e-4 * opposed, HALF, epsilon=1e-3).kind == "consensus"
    assert classify(opposed, HALF).surplus.tolist() == [0.5, 0.5]
    assert classify(agreed, HALF).residual == pytest.approx(0.5**0.5)


@given(seed=st.integers(0, 10_000), objectives=st.integers(2, 5))
@settings(max_examples=20)
def test_the_surplus_is_the_most_that_a_unit_step_gives_the_others(seed, objectives):
    random = torch.Generator().manual_seed(seed)
    rows = torch.randn(objectives, 3, generator=random, dtype=torch.float64)
    weights = torch.rand(objectives, generator=random, dtype=torch.float64).softmax(0)
    found = latent_surplus(rows, weights)
    steps = torch.nn.functional.normalize(torch.randn(4000, 3, generator=random, dtype=torch.float64), dim=1)
    for i in range(objectives):
        gains = sum(weights[j] * steps @ rows[j] for j in range(objectives) if j != i)
        assert gains.max() <= found[i] + 1e-12 and gains.max() > 0.97 * found[i]


def test_stalemates_are_maxima_of_the_scalarised_value():
    problem = peaks(20, 2, 3)
    theta, stationary = stalemates(problem)
    assert stationary.sum() > 10
    around = 1e-3 * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64)
    here = (problem.weights * problem.worlds.closed_form(theta)[0]).sum(1)
    for moved in around:
        there = (problem.weights * problem.worlds.closed_form(theta + moved)[0]).sum(1)
        assert (there < here)[stationary].all()


@pytest.mark.parametrize("gate", ["sigmoid", "centered", "net"])
def test_theorem_1_splits_the_direction_as_it_says(gate):
    """g_PLC = g_P + c g_N + r with r orthogonal to g_N, and g_P = -g_N: written out sample by sample."""
    point, weights = recovery.points(peaks, 3, 12, 0)
    rule = PLC(gate=gate)
    found = recovery.recovery(rule, point, weights)
    score = point.policy_gradient(torch.eye(point.probabilities.shape[1]).double().expand(len(weights), -1, -1))
    for w in range(len(weights)):
        weighted = weights[w] * point.advantages[w]
        gains = weighted.clamp(min=0).sum(-1) @ score[w]
        losses = weighted.clamp(max=0).sum(-1) @ score[w]
        direction = rule.rectify(point.advantages[w], weights[w]) @ score[w]
        assert torch.allclose(gains, -losses, atol=1e-8)
        rest = direction - gains - found.share[w] * losses
        assert abs(rest @ losses) < 1e-10
        assert direction.square().sum() >= ((1 - found.share[w]) * gains.norm()).square() - 1e-9
        torch.testing.assert_close(found.direction[w], direction.norm())


def test_linear_scalarisation_recovers_nothing():
    point, weights = recovery.points(peaks, 2, 12, 0)
    found = recovery.recovery(Linear(), point, weights)
    assert torch.allclose(found.share, torch.ones_like(found.share)) and (found.direction < 1e-8).all()


def test_lemma_2_holds_for_centered_and_net_and_fails_for_sigmoid():
    verdicts = {(check.claim, check.figures["gate"]): check.verdict for check in bias.checks(30)}
    for gate, each in (("sigmoid", "fails"), ("centered", "holds"), ("net", "holds")):
        assert verdicts[bias.EACH, gate] == verdicts[bias.WHOLE, gate] == each
    assert verdicts[bias.LETTER, "sigmoid"] == "fails for K 1, holds for K 3"


def test_the_bias_of_the_sigmoid_gate_without_surplus_is_half_of_the_losses():
    problem = peaks(5, 2, 0)
    assert isinstance(problem.worlds, Landscapes)
    point = problem.worlds.at(problem.start)
    found, surplus = bias.objective_bias(PLC(), point, problem.weights, 0.0)
    losses = (problem.weights.unsqueeze(1) * point.advantages.clamp(max=0))[..., :1]
    torch.testing.assert_close(found, 0.5 * point.policy_gradient(losses).squeeze(1).norm(dim=1))
    assert not surplus.any()


def test_theorem_2_names_the_leniency_that_leaves_a_bias():
    found = {(check.claim, check.figures["rule"]): check for check in limit.checks(count=6, steps=1500)}
    assert found[limit.OWN, "sigmoid, λ = 1"].verdict == "holds"
    assert found[limit.LINEAR, "sigmoid, λ = 1"].verdict == "fails"
    assert found[limit.LINEAR, "sigmoid, λ → 0"].verdict == "holds"
    assert found[limit.LINEAR, "linear"].verdict == "holds"


def test_global_optima_are_called_risk_averse_too():
    """What the definitions make of conflict: a verdict that the table must show."""
    found = list(definitions.checks(count=20, steps=300))
    optima = [check for check in found if "nothing to leave" in check.condition]
    assert optima and all(check.figures["kinds"]["risk-averse"] > 0 and check.verdict != "holds" for check in optima)


def test_all_checks_are_gathered_by_claim_and_written(tmp_path, monkeypatch):
    small = {recovery: {"count": 10}, bias: {"count": 5}, limit: {"count": 2, "steps": 30}}
    for part, few in (small | {definitions: {"count": 6, "steps": 20}}).items():
        whole = part.checks
        monkeypatch.setattr(part, "checks", lambda seed, whole=whole, few=few: whole(seed=seed, **few))
    found = list(theorems.theorems())
    assert len(found) == theorems.COUNT
    checks = theorems.gathered(found)
    claims = [check.claim for check in checks]
    assert len(set(claims)) == sum(a != b for a, b in zip(claims, ["", *claims], strict=False))
    files = theorems.save(checks, tmp_path)
    assert [file.name for file in files] == ["theorems.json", "theorems.md", "theorems.png", "theorems.svg"]
    assert len(json.loads(files[0].read_text())) == theorems.COUNT
    assert len(files[1].read_text().splitlines()) == theorems.COUNT + 2


def test_bars_and_brackets_of_claims_survive_both_tables():
    from rich.console import Console

    check = Check("‖E[g_PLC − g]‖", "E|S|", "1", "holds")
    assert r"E\|S\|" in markdown([check])
    console = Console(width=200, file=io.StringIO())
    console.print(table([check]))
    assert "‖E[g_PLC − g]‖" in console.file.getvalue()
