"""Work, seconds and bytes of a sweep, counted by hand."""

from __future__ import annotations

import pytest

import tiny
from lenity.pareto.weights import points
from lenity.runs.work import Work
from lenity.sweep.estimate import LINE_BYTES, ROW_BYTES, Probe, estimate
from lenity.sweep.plan import plan
from lenity.training.cost import Rates

RIC = {"type": "ric", "offline": {"steps": 10}, "online": {"rounds": 2, "samples": 30, "steps": 5}, "batch_size": 4}


def work(method, **changes):
    config = tiny.run_config("m", "unused", method=method, iterations=10, **changes)
    return config.method.work(config, prompts=40)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("linear", Work(10, 80, 80, 80 * (2 + 3 * 2))),
        ("plc", Work(10, 80, 80, 80 * (2 + 3 * 2))),
        ("p-gapo", Work(10, 80, 80, 80 * (2 + 3 * 2) + 160, 160 * 2, "last_layer")),
        ({"type": "mgda", "parameters": "all"}, Work(10, 80, 80, 80 * (2 + 3 * 2) + 160, 160 * 2, "all")),
        ({"type": "mgda", "source": "other"}, Work()),
        ("soups", Work()),
        (RIC, Work(3, 2 * 40 + 60, 2 * 40 + 60, 3 * (10 + 2 * 5) * 4)),
    ],
)
def test_work(method, expected):
    """8 responses an iteration, 2 epochs, 2 objectives, 40 prompts."""
    assert work(method) == expected


def test_a_budget_ends_the_work():
    """120 tokens are 20 responses of 6, so 3 batches of 8."""
    assert work("linear", budget={"tokens": 120}).rows == 3
    assert work(RIC, budget={"tokens": 120}).generated == 20


def test_a_backward_pass_to_the_last_layer_is_cheaper():
    rates = Rates(generating=1.0, scoring=0.1, forward=0.01, last_layer=0.25)
    assert rates.seconds(Work(1, 10, 20, 100)) == pytest.approx(10 + 2 + 1)
    assert rates.seconds(Work(gradients=100, compared="all")) == pytest.approx(2)
    assert rates.seconds(Work(gradients=100, compared="last_layer")) == pytest.approx(0.5)


def probe(**changes):
    rates = Rates(generating=1.0, scoring=0.0, forward=0.0, last_layer=1.0)
    parts = {"rates": rates, "startup": 5.0, "loading": 2.0, "prompts": 40, "adapter": 10**6, "checkpoint": 3 * 10**6}
    return Probe(**parts | {"base": 0, "characters": 100.0} | changes)


def test_a_sweep_is_its_runs_over_the_processes(tmp_path):
    config = tiny.run_config("m", "unused", iterations=10, checkpoint={"every": 3, "keep_last": 2})
    runs = plan(config, ["linear", "soups"], points(list(config.rewards), ["corners", "centre"]), tmp_path)
    found = estimate(runs, tmp_path, probe(), jobs=2)
    trained, derived = 3, 5  # SOLO at both corners and linear in the centre; the corners of linear, and three soups
    shared = 5 + 2 * 2 + 32 + 12  # start, two loads, constants, the reference policy
    assert found.seconds == pytest.approx(shared + (trained * (80 + 12 + 2 * 2) + derived * (12 + 2)) / 2)
    assert found.adapters == 10**6 * (trained + 3 * 2) and found.checkpoints == 3 * 10**6 * trained * 2
    rows = 4 * 12 * (100 + 2 * ROW_BYTES)
    assert found.tables == pytest.approx((trained + derived) * rows + trained * 10 * LINE_BYTES * 5)
    assert estimate(runs, tmp_path, probe(base=7 * 10**6), jobs=2).adapters == found.adapters + 7 * 10**6


def test_one_long_run_is_not_made_shorter_by_more_processes(tmp_path):
    config = tiny.run_config("m", "unused", iterations=10)
    runs = plan(config, ["plc"], points(list(config.rewards), ["centre"]), tmp_path)
    assert estimate(runs, tmp_path, probe(), jobs=8) == estimate(runs, tmp_path, probe(), jobs=1)
