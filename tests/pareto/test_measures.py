"""Every figure of a front against a slow, obvious twin, and where it is not defined."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lenity.errors import ProtocolError
from lenity.pareto.measures import fronts, measures


def problem(seed, methods=3, n=5, k=3):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(k), n)
    points = {f"m{i}": rng.normal(size=(n, k)).round(2) + weights for i in range(methods)}
    return points, weights, np.full(k, 0.1), np.full(k, -5.0)


def found(points, weights, start, reference):
    every = measures([f"o{i}" for i in range(weights.shape[1])])
    return {
        method: {measure.name: measure.value(front) for measure in every}
        for method, front in fronts(points, weights, start, reference).items()
    }


def dominated(point, others):
    return any(
        all(q >= p for p, q in zip(point, other, strict=True)) and tuple(other) != tuple(point) for other in others
    )


def slow_volume(points, reference):
    """Inclusion and exclusion over the boxes."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for some in itertools.combinations(points, size):
            total += (-1) ** (size + 1) * math.prod(
                min(p[k] for p in some) - reference[k] for k in range(len(reference))
            )
    return total


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_figures_agree_with_their_definitions(seed, k):
    points, weights, start, reference = problem(seed, k=k)
    together = [tuple(p) for found in points.values() for p in found]
    union = [p for p in together if not dominated(p, together)]
    for method, figures in found(points, weights, start, reference).items():
        own = [tuple(p) for p in points[method]]
        kept = [p for p in own if not dominated(p, own)]
        values = [[sum(w * r for w, r in zip(weight, p, strict=True)) for p in own] for weight in weights]
        every = [max(sum(w * r for w, r in zip(weight, p, strict=True)) for p in together) for weight in weights]
        wanted = {
            "scalarised value": sum(values[i][i] for i in range(len(own))) / len(own),
            "hypervolume": slow_volume(own, reference),
            "IGD": sum(min(math.dist(u, p) for p in own) for u in union) / len(union),
            "IGD+": sum(min(math.hypot(*(max(a - b, 0) for a, b in zip(u, p, strict=True))) for p in own) for u in union) / len(union),
            "spread": math.hypot(*(max(p[i] for p in own) - min(p[i] for p in own) for i in range(k))),
            "spread of the non-dominated": math.hypot(*(max(p[i] for p in kept) - min(p[i] for p in kept) for i in range(k))),
            "regret": max(best - max(row) for best, row in zip(every, values, strict=True)),
            "non-dominated": len(set(kept)),
        }  # fmt: skip
        for name, value in wanted.items():
            assert figures[name] == pytest.approx(value, abs=1e-9), name
        cosines = [
            np.dot(w, p - start) / np.linalg.norm(w) / np.linalg.norm(p - start)
            for w, p in zip(weights, points[method], strict=True)
        ]
        assert figures["compliance"] == pytest.approx(np.mean(cosines))
        for i in range(k if k > 1 else 0):
            wanted_rank = spearmanr(weights[:, i], points[method][:, i]).statistic
            assert figures[f"rank correlation, o{i}"] == pytest.approx(wanted_rank, abs=1e-9)


def test_six_objectives():
    figures = found(*problem(0, k=6))["m0"]
    assert all(math.isfinite(value) for value in figures.values()) and len(figures) == 9 + 6


def test_one_objective_has_no_rank_correlation_with_weights_that_never_change():
    figures = found(*problem(0, k=1))["m0"]
    assert math.isnan(figures["rank correlation, o0"])
    assert figures["non-dominated"] == 1 and figures["spread of the non-dominated"] == 0


def test_a_front_of_one_point():
    points, weights, start, reference = problem(1, n=1)
    figures = found(points, weights, start, reference)["m0"]
    assert figures["spread"] == 0 and figures["non-dominated"] == 1 and math.isnan(figures["rank correlation, o0"])


def test_a_policy_that_never_moved_has_no_direction():
    points, weights, start, reference = problem(2)
    points["m0"] = np.tile(start, (5, 1))
    assert math.isnan(found(points, weights, start, reference)["m0"]["compliance"])
    points["m0"][0] += weights[0]
    assert found(points, weights, start, reference)["m0"]["compliance"] == pytest.approx(1)


def test_a_method_that_gives_one_policy_for_all_weights_has_no_rank_correlation():
    points, weights, start, reference = problem(3)
    points["m1"] = np.tile(points["m1"][:1], (5, 1))
    figures = found(points, weights, start, reference)["m1"]
    assert math.isnan(figures["rank correlation, o1"]) and figures["non-dominated"] == 1


@pytest.mark.parametrize("wrong", [np.full((5, 3), np.nan), np.zeros((0, 3))])
def test_broken_sets_are_refused(wrong):
    points, weights, start, reference = problem(4)
    with pytest.raises(ProtocolError, match=r"15 values of points are not finite|points of m0 have shape \(0, 3\)"):
        found(points | {"m0": wrong}, weights, start, reference)
