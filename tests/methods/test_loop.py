"""The loop with a rule: one flat form in configurations, a rule or its name in its place, and what sweeps ask of it."""

from __future__ import annotations

import pickle

import pytest

import tiny
from lenity.config.base import dump_member, member_name, parse_member
from lenity.config.explain import fields_at
from lenity.errors import ConfigError
from lenity.methods import METHODS, Loop
from lenity.methods.scalar import Solo
from lenity.rules import MGDA, PLC, RULES, Linear, Rule
from lenity.rules.torchjd import TorchJD
from lenity.runs.config import RunConfig


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_is_a_method_in_one_flat_form(name):
    method = parse_member({"type": name, "label": "mine", "source": "runs/other"}, METHODS)
    assert isinstance(method, Loop) and type(method.rule) is RULES[name]
    flat = dump_member(method, METHODS)
    assert flat == {"type": name, "label": "mine", "source": "runs/other", **RULES[name]().model_dump(mode="json")}
    again = parse_member(flat, METHODS)
    assert again == method and type(again) is type(method) is METHODS[name]
    assert pickle.loads(pickle.dumps(method)) == method
    assert (METHODS[name].paper, METHODS[name].presets) == (RULES[name].paper, RULES[name].presets)
    assert fields_at(RunConfig, {"method": name}, ("method",)) == ["type", "label", "source", *RULES[name].model_fields]


@pytest.mark.parametrize("value", [PLC(gate="net"), Loop(rule=PLC(gate="net")), {"type": "plc", "gate": "net"}])
def test_a_rule_where_a_method_is_wanted_is_the_loop_with_it(tmp_path, value):
    config = tiny.run_config("m", tmp_path, method=value)
    assert config.method == Loop(rule=PLC(gate="net")) and config.method.loop_rule == PLC(gate="net")
    assert tiny.run_config("m", tmp_path, method=config.dump()["method"]) == config
    assert tiny.run_config("m", tmp_path, method=value, preset="paper").method.rule.gate == "net"


def test_shorthands_and_labels_name_it():
    named = [Loop(rule=TorchJD(aggregator="PCGrad")), Loop(rule=PLC()), Loop(rule=PLC(), label="mine"), Solo()]
    assert [member_name(method, METHODS) for method in named] == ["torchjd:PCGrad", "plc", "mine", "solo"]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"type": "plc", "gate": "half"}, "method.gate: found 'half'"),
        ({"type": "plc", "gat": "net"}, "method.gat: unknown field .* Did you mean 'gate'"),
        ({"type": "plc", "label": "a b"}, "method.label: .* is not a label"),
        ({"type": "linear", "gate": "net"}, "method.gate: unknown field .* Known here: type, label, source"),
    ],
)
def test_errors_name_the_flat_field(tmp_path, method, message):
    with pytest.raises(ConfigError, match=message):
        tiny.run_config("m", tmp_path, method=method)


def test_a_run_that_takes_an_adapter_does_not_train():
    taken = Loop(rule=Linear(), source="runs/other")
    assert taken.loop_rule is None and taken.sources == ("runs/other",) and taken.alone() == Loop(rule=Linear())


def test_a_rule_that_ignores_the_weights_trains_once():
    points = [{"a": 0.5, "b": 0.5}, {"a": 1.0, "b": 0.0}]
    assert Loop(rule=MGDA()).needed(["a", "b"], points) == [(Loop(rule=MGDA()), points[0])]
    assert Loop(rule=PLC()).needed(["a", "b"], points) == []
    assert Loop(rule=MGDA()).one_policy and not Loop(rule=PLC()).one_policy


def test_a_rule_that_nobody_registered_is_told_where_it_would_be_written(tmp_path):
    class Mine(PLC):
        pass

    with pytest.raises(ConfigError, match=r"rule Mine of .* is not registered"):
        tiny.run_config("m", tmp_path, method=Mine())


def test_one_name_for_a_rule_and_a_method_is_refused():
    class Mine(PLC):
        pass

    RULES.register("soups")(Mine)
    try:
        with pytest.raises(ConfigError, match=r"'soups' is a method of lenity.methods.soups and a rule of"):
            METHODS["soups"]
    finally:
        del RULES._members["soups"]


def test_rules_know_no_method():
    assert not [name for name in ("needed", "sources", "shown", "work", "train", "label") if hasattr(Rule, name)]
