"""TorchJD's aggregators by name."""

from __future__ import annotations

import pytest
import torch
from torchjd import aggregation

import tiny
from lenity.aggregation import RULES
from lenity.aggregation.torchjd import TorchJD
from lenity.config.base import member_name
from lenity.errors import ConfigError

JACOBIAN = torch.randn(3, 11, generator=torch.Generator().manual_seed(3))
WEIGHTS = torch.tensor([0.5, 0.3, 0.2])


@pytest.mark.parametrize("name", ["UPGrad", "DualProj", "IMTLG", "AlignedMTL", "MGDA", "Mean", "Krum"])
def test_the_direction_is_the_librarys(name):
    arguments = {"Krum": {"n_byzantine": 0}}.get(name, {})
    wanted = getattr(aggregation, name)(**arguments)
    if hasattr(wanted, "pref_vector"):
        wanted.pref_vector = WEIGHTS
    found = TorchJD(aggregator=name, arguments=arguments).direction(JACOBIAN, WEIGHTS)
    torch.testing.assert_close(found, wanted(JACOBIAN))


def test_weights_reach_aggregators_with_preferences():
    rule = TorchJD(aggregator="UPGrad")
    first, second = (rule.direction(JACOBIAN, torch.tensor(w)) for w in ([0.9, 0.05, 0.05], [0.05, 0.05, 0.9]))
    assert (first - second).norm() > 0.1


def test_by_shorthand_and_back(tmp_path):
    config = tiny.run_config("m", tmp_path, method="torchjd:IMTLG")
    assert config.method == TorchJD(aggregator="IMTLG") and member_name(config.method, RULES) == "torchjd:IMTLG"
    assert tiny.run_config("m", tmp_path, method=config.dump()["method"]) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"aggregator": "UpGrad"}, r"method.aggregator is 'UpGrad'; those of torchjd .*UPGrad"),
        ({"aggregator": "TrimmedMean"}, "those of torchjd that weigh gradients"),
        ({"aggregator": "UPGrad", "arguments": {"colour": 1}}, "do not make torchjd's UPGrad"),
    ],
)
def test_wrong_settings_are_explained(fields, message):
    with pytest.raises(ConfigError, match=message):
        TorchJD(**fields).combination(JACOBIAN, WEIGHTS)


def test_a_method_without_shorthand_takes_nothing_after_a_colon(tmp_path):
    with pytest.raises(ConfigError, match="takes nothing after a colon"):
        tiny.run_config("m", tmp_path, method="plc:net")
