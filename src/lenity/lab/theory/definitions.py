"""Definitions 1-3 on points whose kind is known: what the classifier finds there."""

from __future__ import annotations

from collections import Counter

from lenity.lab.equilibria import classify
from lenity.lab.families import peaks
from lenity.lab.stationary import stalemates
from lenity.lab.theory.check import Check

EPSILON = 1e-2


def checks(count: int = 300, seed: int = 0) -> list[Check]:
    """Linear scalarisation's stalemates, the best reachable ones among them."""
    found = []
    for objectives in (2, 3):
        problem = peaks(count, objectives, seed)
        theta, stationary = stalemates(problem)
        point = problem.worlds.at(theta)
        greatest = problem.worlds.attainable(problem.weights)[1]
        best = stationary & (greatest - (problem.weights * point.values).sum(1) < 1e-6)
        for name, chosen in (("stalemates of linear", stationary), ("its global optima, which are Pareto-optimal", best)):
            rows = chosen.nonzero().flatten().tolist()
            kinds = Counter(classify(point.jacobian[row], problem.weights[row], EPSILON).kind for row in rows)
            found.append(_check(objectives, name, kinds, len(rows)))
    return found


def _check(objectives: int, name: str, kinds: Counter[str], points: int) -> Check:
    claim = f"Definitions 1–3: a risk-averse equilibrium (latent surplus > {EPSILON:g}) is a stalemate to escape from"
    measured = f"{points} points: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    optimal = "optima" in name
    verdict = "–" if not optimal else "fails" if kinds["risk-averse"] else "holds"
    return Check(claim, f"peaks, K {objectives}, {name}", measured, verdict, {"K": objectives, "points": name, **kinds})
