"""The entropic rule against a slow twin, and its stated limits."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lenity.rules import Entropic, Linear
from oracles import slow


@given(
    st.integers(1, 5).flatmap(lambda k: st.tuples(*[st.lists(st.floats(-20, 20), min_size=k, max_size=k)] * 2)),
    st.floats(0.05, 5),
    st.floats(0, 1),
)
def test_slow_twin(pair, temperature, leniency):
    advantages = pair[0]
    total = sum(abs(x) + 0.1 for x in pair[1])
    weights = [(abs(x) + 0.1) / total for x in pair[1]]
    rule = Entropic(temperature=temperature, leniency=leniency)
    ours = rule.rectify(*(torch.tensor(x, dtype=torch.float64) for x in (advantages, weights)))
    assert ours.item() == pytest.approx(slow.entropic(advantages, weights, temperature, leniency), abs=1e-8)


def test_a_high_temperature_is_linear_scalarisation():
    advantages = torch.randn(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    torch.testing.assert_close(
        Entropic(temperature=1e9).rectify(advantages, weights), Linear().rectify(advantages, weights)
    )


def test_who_pays_does_not_matter():
    weights = torch.tensor([0.5, 0.5])
    rule = Entropic()
    ours, same = (rule.rectify(torch.tensor(x), weights) for x in ([3.0, -1.0], [1.0, 1.0]))
    torch.testing.assert_close(ours, same)


def test_no_loss_counts_more_than_the_temperature_and_gains_stay_finite():
    weights = torch.ones(1, dtype=torch.float64)
    assert Entropic(temperature=0.5).rectify(-1e6 * weights, weights).item() == pytest.approx(-0.5)
    assert Entropic(temperature=0.5).rectify(1e6 * weights, weights).item() == pytest.approx(
        1e6 * (math.exp(3) - 1) / 3
    )
