"""TorchJD's aggregators by name."""

from __future__ import annotations

import pytest
import torch
from torchjd import aggregation

import tiny
from lenity.config.base import member_name
from lenity.errors import ConfigError
from lenity.rules import RULES
from lenity.rules.torchjd import TorchJD
from lenity.sweep.plan import plan
from lenity.training.loop import train

JACOBIAN = torch.randn(3, 11, generator=torch.Generator().manual_seed(3))
WEIGHTS = torch.tensor([0.5, 0.3, 0.2])


ARGUMENTS = {"Krum": {"n_byzantine": 0}, "CAGrad": {"c": 0.5}, "NashMTL": {"n_tasks": 3}, "FairGrad": {"alpha": 1.0}}


@pytest.mark.parametrize(
    "name",
    ["UPGrad", "DualProj", "PCGrad", "CAGrad", "NashMTL", "FairGrad", "IMTLG", "AlignedMTL", "MGDA", "Mean", "Krum"],
)
def test_the_direction_is_the_librarys(name):
    arguments = ARGUMENTS.get(name, {})
    torch.manual_seed(0)
    wanted = getattr(aggregation, name)(**arguments)
    if hasattr(wanted, "pref_vector"):
        wanted.pref_vector = WEIGHTS
    direction = wanted(JACOBIAN)
    torch.manual_seed(0)
    found = TorchJD(aggregator=name, arguments=arguments).direction(JACOBIAN, WEIGHTS)
    assert torch.cosine_similarity(found, direction, dim=0) > 1 - 1e-5


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
        ({"aggregator": "UpGrad"}, r"method.aggregator is 'UpGrad', which is none of torchjd's .*UPGrad"),
        ({"aggregator": "TrimmedMean"}, "none of torchjd's that weigh gradients"),
        ({"aggregator": "UPGrad", "arguments": {"colour": 1}}, "do not make torchjd's UPGrad"),
        ({"aggregator": "CAGrad"}, "do not make torchjd's CAGrad: .*'c'"),
        (
            {"aggregator": "NashMTL", "arguments": {"n_tasks": 2}},
            "n_tasks is 2 and there are 3 objectives. Leave it out",
        ),
    ],
)
def test_wrong_settings_are_explained(fields, message):
    with pytest.raises(ConfigError, match=message):
        TorchJD(**fields).fresh("abc")
    with pytest.raises(ConfigError, match=message):
        TorchJD(**fields).combination(JACOBIAN, WEIGHTS)


def test_wrong_settings_are_found_before_anything_is_loaded_or_planned(tmp_path):
    config = tiny.run_config(tmp_path / "no model", tmp_path / "run", method="torchjd:CAGrad")
    with pytest.raises(ConfigError, match="torchjd's CAGrad"):
        train(config)
    with pytest.raises(ConfigError, match="torchjd's CAGrad"):
        plan(config, ["torchjd:CAGrad"], [{"helpful": 0.5, "harmless": 0.5}], tmp_path)
    assert not (tmp_path / "run").exists()


def test_vectors_of_a_file_reach_the_aggregator():
    fixed = TorchJD(aggregator="UPGrad", arguments={"pref_vector": [0.5, 0.3, 0.2]})
    assert fixed.weight_free
    free = TorchJD(aggregator="UPGrad").direction(JACOBIAN, WEIGHTS)
    torch.testing.assert_close(fixed.direction(JACOBIAN, torch.ones(3) / 3), free)
    constant = TorchJD(aggregator="Constant", arguments={"weights": [1.0, 2.0, 3.0]})
    ratios = constant.combination(JACOBIAN, WEIGHTS)
    torch.testing.assert_close(ratios / ratios[0], torch.tensor([1.0, 2.0, 3.0]))


def test_a_training_starts_without_the_state_of_another():
    used = TorchJD(aggregator="NashMTL").fresh("abc")
    first = used.combination(JACOBIAN, WEIGHTS)
    used.combination(-JACOBIAN.flip(0), WEIGHTS)
    torch.testing.assert_close(used.fresh("abc").combination(JACOBIAN, WEIGHTS), first)
    assert used.fresh("abc")._instance is not used._instance


@pytest.mark.parametrize("name", ["NashMTL", "GradVac", "ExcessMTL", "UPGrad", "PCD"])
def test_a_restored_aggregator_goes_on_as_if_it_had_never_stopped(name):
    """State and all: the third and fourth directions are those of the one that saw four."""
    arguments = {"NashMTL": {"update_weights_every": 3}}.get(name, {})
    steps = [torch.randn(3, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]

    def directions(rule, jacobians, seed):
        torch.manual_seed(seed)
        return [rule.combination(jacobian, WEIGHTS) for jacobian in jacobians]

    rule = TorchJD(aggregator=name, arguments=arguments).fresh("abc")
    directions(rule, steps[:2], 0)
    saved = {key: value.clone() for key, value in rule.state().items()}
    expected = directions(rule, steps[2:], 1)
    again = TorchJD(aggregator=name, arguments=arguments).fresh("abc")
    again.restore(saved)
    found = directions(again, steps[2:], 1)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert {key: value.tolist() for key, value in again.state().items()} == {
        key: value.tolist() for key, value in rule.state().items()
    }
    if name != "UPGrad":
        anew = directions(TorchJD(aggregator=name, arguments=arguments).fresh("abc"), steps[2:], 1)
        assert not all(torch.equal(ours, theirs) for ours, theirs in zip(anew, expected, strict=True))


def test_a_restored_aggregator_has_the_arguments_of_today():
    """GradVac's wanted cosines come back; how fast they follow the gradients' is what is asked for now."""
    steps = [torch.randn(3, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    old = TorchJD(aggregator="GradVac", arguments={"beta": 0.5}).fresh("abc")
    for step in steps[:2]:
        old.combination(step, WEIGHTS)
    saved = old.state()
    assert [value.shape for value in saved.values()] == [(3, 3)], "nothing but the cosines"
    moved = {}
    for beta in (0.5, 0.01):
        torch.manual_seed(0)
        again = TorchJD(aggregator="GradVac", arguments={"beta": beta}).fresh("abc")
        again.restore(saved)
        again.combination(steps[2], WEIGHTS)
        assert again._instance.beta == beta
        moved[beta] = max(float((value - saved[name]).abs().max()) for name, value in again.state().items())
    assert 0 < moved[0.01] < 0.1 * moved[0.5]


def test_a_method_without_shorthand_takes_nothing_after_a_colon(tmp_path):
    with pytest.raises(ConfigError, match="takes no value after a colon"):
        tiny.run_config("m", tmp_path, method="plc:net")
