"""One word selects a member of an open set: ``type``. The words of before are read for one version."""

from __future__ import annotations

import logging

import pytest

import tiny
from lenity.config.base import parse_member, with_type
from lenity.config.load import override, parse
from lenity.data.base import DATASETS
from lenity.methods import METHODS
from lenity.rewards.base import REWARDS
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
