"""Front metrics against the golden cases and by their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lenity.errors import ProtocolError
from lenity.pareto import hypervolume, igd, igd_plus, maximum_spread, nondominated, preference_compliance

sets = arrays(
    np.float64, st.tuples(st.integers(1, 8), st.just(3)), elements=st.floats(-3, 3).map(lambda x: round(x, 3))
)


def test_golden(golden):
    for case in golden["fronts"]:
        points, front = np.array(case["points"]), np.array(case["reference_front"])
        assert np.flatnonzero(nondominated(points)).tolist() == case["nondominated"]
        assert hypervolume(points, case["reference"]) == pytest.approx(case["hypervolume"], abs=1e-9)
        assert igd(case["others"], front) == pytest.approx(case["igd_of_others"], abs=1e-9)
        assert igd(points[case["nondominated"]], front) == pytest.approx(case["igd_of_front"], abs=1e-9)
        assert preference_compliance(case["weights"], points) == pytest.approx(case["compliance"], abs=1e-9)
        assert maximum_spread(points) == pytest.approx(case["max_spread"], abs=1e-9)


@given(sets)
def test_laws(points):
    reference = np.full(3, -4.0)
    keep = nondominated(points)
    assert keep.any()
    assert hypervolume(points[keep], reference) == pytest.approx(hypervolume(points, reference))
    assert hypervolume(points[:1], reference) <= hypervolume(points, reference) + 1e-9
    assert hypervolume(points[:1], reference) == pytest.approx(np.prod(points[0] - reference))
    assert igd(points, points) == 0
    assert igd_plus(points[:1], points) <= igd(points[:1], points) + 1e-12


@given(sets)
def test_nondominated_slowly(points):
    slow = [not any(np.all(q >= p) and np.any(q > p) for q in points) for p in points]
    assert nondominated(points).tolist() == slow


def test_compliance():
    assert preference_compliance([[1, 0], [0.5, 0.5]], [[2, 0], [-1, -1]]) == pytest.approx([1, -1])


@pytest.mark.parametrize("points", [[], np.zeros((0, 2)), [1.0, 2.0], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_bad_sets_are_refused(points):
    with pytest.raises(ProtocolError, match="of points"):
        hypervolume(points, [0, 0])
    with pytest.raises(ProtocolError, match="of points"):
        nondominated(points)


def test_shapes_that_do_not_match_are_refused():
    with pytest.raises(ProtocolError, match=r"reference is \(3,\).* Give reference the shape \(2,\)"):
        hypervolume([[1, 2]], [0, 0, 0])
    with pytest.raises(ProtocolError, match="shape of front is"):
        igd([[1, 2]], [])
    with pytest.raises(ProtocolError, match="same K"):
        igd([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ProtocolError, match="one shape"):
        preference_compliance([[1, 0]], [[1, 0], [0, 1]])
    with pytest.raises(ProtocolError, match="row 0 of weights or points is zero"):
        preference_compliance([[1, 0]], [[0, 0]])
