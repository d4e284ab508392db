"""Bootstrap intervals."""

import numpy as np
import pytest

from lenity.errors import ConfigError, ProtocolError
from lenity.pareto import confidence, hypervolume, weights


def test_mean_agrees_with_the_normal_interval():
    values = np.random.default_rng(1).normal(2, 1, 400)
    found = confidence.mean(values, draws=5000)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.015)
    assert found.high == pytest.approx(values.mean() + half, abs=0.015)
    assert found == confidence.mean(values, draws=5000)


def one_metric(value, fronts, draws):
    return confidence.bootstrap(lambda *means: [value(*means)], fronts, draws).interval(0)


def test_pairing_removes_what_prompts_share():
    rng = np.random.default_rng(2)
    shared = rng.normal(0, 10, 200)
    found = confidence.difference(shared + 0.1 + rng.normal(0, 0.01, 200), shared)
    assert found.excludes_zero
    assert found.high - found.low < 0.01


def test_hypervolume_difference_of_a_set_with_itself_is_exactly_zero():
    scores = np.random.default_rng(3).normal(size=(4, 50, 2))
    found = confidence.bootstrap(lambda *sets: [hypervolume(s, [-3, -3]) for s in sets], [scores, scores], draws=50)
    same = found.difference(0, 1)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert found.interval(0).value == pytest.approx(hypervolume(scores.mean(1), [-3, -3]))


def test_a_figure_that_is_not_defined_has_no_interval_and_no_verdict():
    found = one_metric(lambda _: float("nan"), [np.ones((1, 5, 2))], draws=20)
    assert str(found) == "–" and not found.excludes_zero


@pytest.mark.parametrize(("undefined", "shown"), [(5, "–"), (4, "1.000 [1.000, 1.000]")])
def test_an_interval_needs_most_resamples(undefined, shown):
    draws = np.array([np.nan] * undefined + [1.0] * (10 - undefined))
    assert str(confidence.Estimates(np.ones(1), draws[:, None]).interval(0)) == shown


def test_seeds_are_averaged_and_their_spread_widens_the_interval():
    rng = np.random.default_rng(4)
    alike = np.repeat(rng.normal(size=(1, 3, 100, 2)), 4, axis=0)
    apart = alike + np.linspace(-1, 1, 4)[:, None, None, None]

    def total(points):
        return points.sum()

    narrow, wide = (one_metric(total, [scores], draws=500) for scores in (alike, apart))
    assert narrow.value == pytest.approx(alike[0].mean(1).sum()) and wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert narrow == one_metric(total, [alike[0]], draws=500), "equal seeds add nothing"


def test_the_same_resample_serves_all_fronts():
    scores = np.random.default_rng(5).normal(size=(3, 2, 40, 2))
    found = one_metric(lambda one, two: (one - two).sum(), [scores + 0.5, scores], draws=50)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_refusals():
    with pytest.raises(ProtocolError, match="NaN or infinity"):
        confidence.mean([1.0, np.nan])
    with pytest.raises(ProtocolError, match="paired"):
        confidence.difference([1.0, 2.0], [1.0])
    with pytest.raises(ProtocolError, match="share seeds, prompts and K"):
        confidence.bootstrap(lambda *_: [0.0], [np.ones((1, 2, 2)), np.ones((1, 3, 2))])


def test_weight_points():
    assert weights.points(["a", "b", "c"], ["corners", "centre", "a+b"])[3:] == [
        {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3},
        {"a": 0.5, "b": 0.5, "c": 0.0},
    ]
    assert weights.label({"a": 1 / 3, "b": 2 / 3, "c": 0}) == "a0.3333_b0.6667"
    with pytest.raises(ConfigError, match="middle"):
        weights.points(["a"], ["middle"])
