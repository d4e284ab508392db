import pytest

from made_up import write_run


@pytest.fixture
def sweep(tmp_path):
    for method, extra in (("plc", 0.3), ("linear", 0.0)):
        for weights in ({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}):
            shift = {name: weight + extra for name, weight in weights.items()}
            write_run(tmp_path / "runs" / method / f"a{weights['a']:.0f}", method, weights, shift)
    return tmp_path
