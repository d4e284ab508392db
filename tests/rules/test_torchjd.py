"""TorchJD's aggregators by name."""

from __future__ import annotations

import pytest
import torch
from torchjd import aggregation

import tiny
from lenity.config.base import member_name
from lenity.errors import ConfigError
from lenity.methods import METHODS, train
from lenity.rules.torchjd import TorchJD
from lenity.sweep.plan import plan

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
    assert config.method.rule == TorchJD(aggregator="IMTLG") and member_name(config.method, METHODS) == "torchjd:IMTLG"
    assert tiny.run_config("m", tmp_path, method=config.dump()["method"]) == config


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"aggregator": "UpGrad"}, r"method.aggregator is 'UpGrad', which is not an aggregator of torchjd .*UPGrad"),
        ({"aggregator": "TrimmedMean"}, "not an aggregator of torchjd that weighs gradients"),
        ({"aggregator": "UPGrad", "arguments": {"colour": 1}}, "torchjd's UPGrad cannot be built with"),
        ({"aggregator": "CAGrad"}, "torchjd's CAGrad cannot be built with .*'c'"),
        (
            {"aggregator": "NashMTL", "arguments": {"n_tasks": 2}},
            "n_tasks is 2, but there are 3 objectives. Leave it out",
        ),
    ],
)
def test_wrong_settings_are_explained(fields, message):
    with pytest.raises(ConfigError, match=message):
        TorchJD(**fields).initial_memory("abc")
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
    assert not fixed.uses_weights
    free = TorchJD(aggregator="UPGrad").direction(JACOBIAN, WEIGHTS)
    torch.testing.assert_close(fixed.direction(JACOBIAN, torch.ones(3) / 3), free)
    constant = TorchJD(aggregator="Constant", arguments={"weights": [1.0, 2.0, 3.0]})
    ratios = constant.combination(JACOBIAN, WEIGHTS)
    torch.testing.assert_close(ratios / ratios[0], torch.tensor([1.0, 2.0, 3.0]))


def test_a_training_starts_without_the_state_of_another():
    rule = TorchJD(aggregator="NashMTL")
    first, memory = rule.step(JACOBIAN, WEIGHTS, rule.initial_memory("abc"))
    rule.step(-JACOBIAN.flip(0), WEIGHTS, memory)
    assert torch.equal(rule.combination(JACOBIAN, WEIGHTS), first)


def test_a_memory_is_a_value():
    """However often and by whichever rule it is used."""
    jacobians = [torch.randn(3, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    rule = TorchJD(aggregator="ExcessMTL")
    _, memory = rule.step(jacobians[0], WEIGHTS, {})
    kept = {name: value.clone() for name, value in memory.items()}
    other = TorchJD(aggregator="ExcessMTL", arguments={"robust_step_size": 0.5})
    found = [one.step(jacobians[1], WEIGHTS, memory)[0] for one in (other, rule, rule, other)]
    rule.step(jacobians[2], WEIGHTS, memory)
    assert memory.keys() == kept.keys() and all(torch.equal(memory[name], kept[name]) for name in kept)
    assert torch.equal(found[1], found[2]) and torch.equal(found[0], found[3]) and not torch.equal(found[0], found[1])


@pytest.mark.parametrize("name", ["NashMTL", "GradVac", "ExcessMTL", "UPGrad", "PCD"])
def test_a_restored_aggregator_goes_on_as_if_it_had_never_stopped(name):
    """State and all: the third and fourth directions are those of the one that saw four."""
    arguments = {"NashMTL": {"update_weights_every": 3}}.get(name, {})
    steps = [torch.randn(3, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]

    def directions(jacobians, seed, memory):
        torch.manual_seed(seed)
        found = []
        for jacobian in jacobians:
            combination, memory = rule.step(jacobian, WEIGHTS, memory)
            found.append(combination)
        return found, memory

    rule = TorchJD(aggregator=name, arguments=arguments)
    _, memory = directions(steps[:2], 0, rule.initial_memory("abc"))
    saved = {key: value.clone() for key, value in memory.items()}
    expected, last = directions(steps[2:], 1, memory)
    found, again = directions(steps[2:], 1, saved)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert {key: value.tolist() for key, value in again.items()} == {key: value.tolist() for key, value in last.items()}
    if name != "UPGrad":
        anew, _ = directions(steps[2:], 1, {})
        assert not all(torch.equal(ours, theirs) for ours, theirs in zip(anew, expected, strict=True))


def test_a_restored_aggregator_has_the_arguments_of_today():
    """GradVac's wanted cosines come back; how fast they follow the gradients' is what is asked for now."""
    steps = [torch.randn(3, 11, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    old = TorchJD(aggregator="GradVac", arguments={"beta": 0.5})
    memory = old.initial_memory("abc")
    for step in steps[:2]:
        _, memory = old.step(step, WEIGHTS, memory)
    assert [value.shape for value in memory.values()] == [(3, 3)], "nothing but the cosines"
    moved = {}
    for beta in (0.5, 0.01):
        torch.manual_seed(0)
        _, later = TorchJD(aggregator="GradVac", arguments={"beta": beta}).step(steps[2], WEIGHTS, memory)
        moved[beta] = max(float((value - memory[name]).abs().max()) for name, value in later.items())
    assert 0 < moved[0.01] < 0.1 * moved[0.5]


def test_a_method_without_shorthand_takes_nothing_after_a_colon(tmp_path):
    with pytest.raises(ConfigError, match="takes no value after a colon"):
        tiny.run_config("m", tmp_path, method="plc:net")
