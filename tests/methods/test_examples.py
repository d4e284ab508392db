"""Multi-objective rejection sampling against a brute-force twin."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lenity.methods.examples import reaches_quantile

TABLES = st.integers(1, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(-5, 5).map(float), min_size=k, max_size=k), min_size=1, max_size=12)
)


def quantile(column, share):
    """Linear interpolation between order statistics, by hand."""
    ordered = sorted(column)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@given(TABLES, st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0]))
def test_a_row_is_kept_where_any_score_reaches_its_quantile(table, share):
    limits = [quantile([row[k] for row in table], share) for k in range(len(table[0]))]
    clear = [
        all(score == limit or abs(score - limit) > 1e-9 for score, limit in zip(row, limits, strict=True))
        for row in table
    ]
    wanted = [any(score >= limit for score, limit in zip(row, limits, strict=True)) for row in table]
    found = reaches_quantile(table, share).tolist()
    assert [f for f, c in zip(found, clear, strict=True) if c] == [w for w, c in zip(wanted, clear, strict=True) if c]


@given(TABLES)
def test_the_best_row_of_each_objective_is_kept(table):
    found = reaches_quantile(table, 1.0)
    for k in range(len(table[0])):
        best = max(row[k] for row in table)
        assert all(kept for kept, row in zip(found, table, strict=True) if row[k] == best)
