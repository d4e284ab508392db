"""Definitions 1-3: the classifier's result for points of known kind, and for the end points of rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import Tensor

from lenity.lab.ascent import ascend, constant
from lenity.lab.equilibria import classify
from lenity.lab.families import Problem, peaks, valleys
from lenity.lab.landscape import Landscapes
from lenity.lab.stationary import stalemates
from lenity.lab.theory.check import GATES, Check
from lenity.rules import PLC

STALEMATE = "Definition 2: a risk-averse equilibrium (latent surplus > {0:g}) is a stalemate to leave"
CONSENSUS = "Definition 3: PLC ends at a Pareto consensus equilibrium (every latent surplus ≤ {0:g})"
EPSILON = 1e-2
TOLERANCE = 1e-5  # of the residual, where steps have ended
OPTIMAL = 1e-9


def checks(count: int = 150, seed: int = 0, steps: int = 2000) -> Iterator[Check]:
    """Linear scalarisation's stalemates, its global optima among them; then the ends of PLC."""
    for objectives in (2, 3):
        yield from _optima(peaks(count, objectives, seed), objectives)
    problem = valleys(count, 2, seed)
    for gate in GATES:
        yield _ends(problem, PLC(gate=gate, temperature=0.1, schedule="constant"), steps)
        yield _ends(problem, PLC(gate=gate, temperature=0.1, schedule="linear", schedule_end=0.6), steps)


def kinds(problem: Problem, theta: Tensor, chosen: Tensor) -> Counter[str]:
    """The number of selected points of each kind, by the closed-form gradients of landscapes."""
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    jacobian = worlds.closed_form(theta)[1]
    rows = chosen.nonzero().flatten().tolist()
    return Counter(classify(jacobian[row], problem.weights[row], EPSILON, TOLERANCE).kind for row in rows)


def _optima(problem: Problem, objectives: int) -> list[Check]:
    theta, stationary = stalemates(problem)
    worlds = problem.worlds
    assert isinstance(worlds, Landscapes)
    values = (problem.weights * worlds.closed_form(theta)[0]).sum(1)
    best = stationary & (worlds.attainable(problem.weights)[1] - values < OPTIMAL)
    every, optima = (kinds(problem, theta, chosen) for chosen in (stationary & ~best, best))
    family = f"peaks, K {objectives}"
    return [
        _check(STALEMATE, f"{family}, local maxima of w · J", every, _verdict(every, "risk-averse")),
        _check(
            STALEMATE, f"{family}, global maxima of w · J, nothing to leave for", optima, _verdict(optima, "consensus")
        ),
    ]


def _ends(problem: Problem, rule: PLC, steps: int) -> Check:
    theta = ascend(problem.worlds, rule, problem.weights, problem.start, steps=steps, rate=constant(0.4))
    found = kinds(problem, theta, theta.isfinite().all(1))
    scheduled = "λ = 1" if rule.schedule == "constant" else "λ → 0"
    return _check(CONSENSUS, f"valleys, K 2, {rule.gate}, τ 0.1, {scheduled}", found, _verdict(found, "consensus"))


def _verdict(found: Counter[str], wanted: str) -> str:
    share = found[wanted] / max(found.total(), 1)
    return "holds" if share == 1 else f"holds in {100 * share:.0f} %" if share else "fails"


def _check(claim: str, condition: str, found: Counter[str], verdict: str) -> Check:
    shown = ", ".join(f"{count} {kind}" for kind, count in sorted(found.items()))
    measured = f"{found.total()} points: {shown}"
    return Check(claim.format(EPSILON), condition, measured, verdict, {"epsilon": EPSILON, "kinds": dict(found)})
