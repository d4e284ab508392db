"""One word selects a member of an open set: ``type``. The words of before are read for one version."""

from __future__ import annotations

import logging

import pytest

import tiny
from lenity.config.base import parse_member, with_type
from lenity.config.load import override, parse
from lenity.data.base import DATASETS
from lenity.methods import METHODS
from lenity.rewards.base import REWARDS, RewardSpec
from lenity.rules import RULES, Linear
from lenity.runs.config import RunConfig


def former(config):
    """Its settings as an earlier version wrote them."""
    data = config.dump()
    for section, key in ((data["prompts"], "reader"), (data["held_out_prompts"], "reader"), (data["method"], "name")):
        section[key] = section.pop("type")
    for reward in data["rewards"].values():
        reward["kind"] = reward.pop("type")
    return data


def test_a_configuration_of_before_is_the_same(tmp_path):
    config = tiny.run_config("model", tmp_path / "run", method={"type": "plc", "gate": "net"})
    assert parse(RunConfig, former(config)) == config
    assert "name" not in config.dump()["method"]


def test_the_warning_comes_once_and_says_the_new_word(tmp_path, caplog, monkeypatch):
    data = former(tiny.run_config("model", tmp_path / "run"))
    for registry in (METHODS, REWARDS, DATASETS):
        monkeypatch.setattr(registry, "_warned", False)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            parse(RunConfig, data)
    assert sorted(record.getMessage() for record in caplog.records) == [
        "A method is selected by 'type' now; 'name' is read until the next version.",
        "A reader is selected by 'type' now; 'reader' is read until the next version.",
        "A reward is selected by 'type' now; 'kind' is read until the next version.",
    ]


@pytest.mark.parametrize("given", ["type", "name"])
@pytest.mark.parametrize("override_key", ["type", "name"])
def test_an_override_counts_over_the_file_in_either_word(tmp_path, given, override_key):
    data = tiny.run_config("model", tmp_path / "run").dump() | {"method": {given: "plc"}}
    config = parse(RunConfig, override(data, [f"--method.{override_key}", "linear"]))
    assert METHODS.name_of(type(config.method)) == "linear"


def test_the_later_word_counts():
    assert with_type({"type": "plc", "name": "linear"}, METHODS) == {"type": "linear"}
    assert parse_member({"type": "plc", "name": "linear"}, METHODS) == parse_member("linear", METHODS)


@pytest.fixture
def member_with_fields_of_former_keys():
    """A rule with a field ``name`` and a reward with a field ``kind``, as outside packages may have them."""

    class Named(Linear):
        name: str = "plc"

    class Kinds(RewardSpec):
        kind: str = "toy"

        def load(self, device):
            raise NotImplementedError

    RULES.register("named")(Named)
    REWARDS.register("kinds")(Kinds)
    yield
    del RULES._members["named"], REWARDS._members["kinds"]


@pytest.mark.usefixtures("member_with_fields_of_former_keys")
def test_a_member_may_have_a_field_that_is_called_as_the_former_key(tmp_path, caplog):
    data = tiny.run_config("model", tmp_path / "run").dump()
    data |= {"method": {"type": "named"}, "rewards": data["rewards"] | {"helpful": {"type": "kinds", "kind": "model"}}}
    config = parse(RunConfig, data)
    assert METHODS.name_of(type(config.method)) == "named" and config.method.rule.name == "plc"
    assert config.rewards["helpful"].kind == "model"
    assert parse(RunConfig, config.dump()) == config
    assert parse(RunConfig, override(config.dump(), ["--method.name", "mine"])).method.rule.name == "mine"
    assert not caplog.records
