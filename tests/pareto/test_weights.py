"""Points of the simplex and their names."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenity.errors import ConfigError
from lenity.pareto.weights import label, labels, points


@pytest.mark.parametrize(("objectives", "expected"), [("ab", 11), ("abc", 10), ("abcd", 5), ("a", 1)])
def test_the_usual_grid(objectives, expected):
    found = points(objectives)
    assert len(found) == expected and all(sum(point.values()) == pytest.approx(1, abs=1e-6) for point in found)


@pytest.mark.parametrize(("objectives", "count"), [("ab", 5), ("abc", 12), ("abcd", 9)])
def test_riesz_points_are_distinct_even_and_named_in_full(objectives, count):
    pytest.importorskip("pymoo")
    found = points(objectives, [f"riesz:{count}"])
    assert len(found) == count and found == points(objectives, [f"riesz:{count}"])
    for point in found:
        assert sum(point.values()) == pytest.approx(1, abs=1e-12) and min(point.values()) >= 0
        assert all(float(f"{weight:.4g}") == weight for weight in point.values())
    names = [label(point) for point in found]
    assert len(set(names)) == count == len(points(objectives, [f"riesz:{count}", "corners"])), (
        "the corners are among them"
    )
    nearest = [
        min(sum((one[k] - two[k]) ** 2 for k in objectives) ** 0.5 for two in found if two is not one) for one in found
    ]
    assert min(nearest) > 0.5 * max(nearest)


def test_too_few_riesz_points_and_a_missing_package_are_explained(monkeypatch):
    with pytest.raises(ConfigError, match="riesz:3 or more"):
        points("abc", ["riesz:2"])
    monkeypatch.setitem(sys.modules, "pymoo.util.ref_dirs", None)
    with pytest.raises(ConfigError, match=r"pip install 'lenity\[riesz\]'"):
        points("abc", ["riesz:6"])


def test_listed_weights_sum_to_one():
    assert points("ab", [{"a": 0.5, "b": 0.5 + 5e-7}, "centre"]) == [{"a": 0.5, "b": 0.5 + 5e-7}]
    with pytest.raises(ConfigError, match=r"sum to 0\.9"):
        points("ab", [{"a": 0.5, "b": 0.4}])
    for wrong in ({"a": 1.5, "b": -0.5}, {"a": float("nan"), "b": 1.0}):
        with pytest.raises(ConfigError, match="finite and at least 0"):
            points("ab", [wrong])


@given(st.lists(st.floats(0.001, 0.999), min_size=2, max_size=6, unique=True))
def test_no_two_points_share_a_name(shares):
    found = [{"a": share, "b": 1 - share} for share in shares]
    names = labels(found)
    assert len(set(names)) == len({(point["a"], point["b"]) for point in found})
    assert all(name == label(point) for name, point in zip(names, found, strict=True) if len(name) <= 14)
