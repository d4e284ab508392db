"""The plan of a sweep."""

import pytest

from lenity.config.load import parse
from lenity.errors import ConfigError
from lenity.pareto.weights import points
from lenity.runs.config import RunConfig
from lenity.sweep.plan import plan


@pytest.fixture
def config():
    toy = {name: {"type": "toy", "preference": name} for name in ("helpful", "harmless")}
    method = {"type": "plc", "leniency": 0.5}
    data = {
        "output": "x",
        "policy": {"model": "m"},
        "prompts": "toy",
        "weights": {"helpful": 1, "harmless": 0},
        "rewards": toy,
        "method": method,
    }
    return parse(RunConfig, data)


def test_every_method_at_every_point_shares_the_constants(config, tmp_path):
    found = plan(config, ["plc", "linear"], points(list(config.rewards), ["corners", "centre"]), tmp_path)
    assert len({item.output for item in found}) == 6
    assert {item.standardisation.file for item in found} == {str(tmp_path / "standardisation.json")}
    assert found[0].output.endswith("runs/plc/helpful1")


def test_unknown_method_is_refused(config, tmp_path):
    with pytest.raises(ConfigError, match="linaer"):
        plan(config, ["linaer"], points(list(config.rewards), ["centre"]), tmp_path)
