"""The adaptive KL controller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lenity.update.kl import AdaptiveKL
from oracles import slow


def updated(coefficient, target, horizon, observed, samples):
    controller = AdaptiveKL(coefficient=coefficient, target=target, horizon=horizon)
    controller.update(observed, samples)
    return controller.coefficient


def test_golden_cases(golden):
    for case in golden["adaptive_kl"]:
        got = updated(case["coefficient"], case["target"], case["horizon"], case["observed_kl"], case["n_samples"])
        assert got == pytest.approx(case["updated"], abs=1e-9)


@given(st.floats(1e-3, 10), st.floats(0.1, 10), st.floats(100, 1e5), st.floats(-1, 100), st.integers(1, 1000))
def test_slow_twin(coefficient, target, horizon, observed, samples):
    got = updated(coefficient, target, horizon, observed, samples)
    assert got == pytest.approx(slow.adaptive_kl(coefficient, target, horizon, observed, samples), rel=1e-12)


def test_at_target_nothing_changes():
    assert updated(0.05, 3.0, 10_000, 3.0, 128) == 0.05
