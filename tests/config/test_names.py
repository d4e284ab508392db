"""Names become parts of paths, and stay inside the folder that they are meant for."""

from __future__ import annotations

import pytest

import tiny
from lenity.config.load import parse
from lenity.config.stages import Pairs
from lenity.data.columns import Columns
from lenity.data.hh_rlhf import HHRLHF
from lenity.errors import ConfigError
from lenity.methods import METHODS
from lenity.runs.config import RunConfig
from lenity.sweep.config import SweepConfig

BAD = ["..", ".", ".hidden", "../up", "/etc", "a/b", "a\\b", "", " a", "a\n", "a\0", "\x1b[2J", "\u202e", "a" * 65]


@pytest.fixture
def run(tmp_path):
    return tiny.run_config("m", tmp_path).dump()


@pytest.mark.parametrize("name", BAD)
def test_no_objective_or_reward_has_a_name_that_leaves_its_folder(run, name):
    reward = next(iter(run["rewards"].values()))
    with pytest.raises(ConfigError, match="cannot be a part of a path; use 1 to 64"):
        parse(RunConfig, run | {"weights": {name: 1.0}, "rewards": {name: reward}})
    with pytest.raises(ConfigError, match=r"held_out_rewards.*cannot be a part of a path"):
        parse(RunConfig, run | {"held_out_rewards": {name: reward}})


@pytest.mark.parametrize("name", BAD)
def test_no_method_has_a_label_that_leaves_its_folder(run, name):
    with pytest.raises(ConfigError, match=r"methods\.0\.label|cannot be a part of a path"):
        parse(SweepConfig, {"run": run, "seeds": [0], "methods": [{"type": "plc", "label": name}]})


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].shorthand])
def test_nothing_after_a_methods_colon_leaves_its_folder(run, method):
    with pytest.raises(ConfigError, match=f"method.{METHODS[method].shorthand}"):
        parse(RunConfig, run | {"method": f"{method}:../up"})


@pytest.mark.parametrize("kind", [Columns, HHRLHF, Pairs])
def test_a_sub_folder_is_below_its_data_set(kind):
    for subset in ("../up", "/etc", "a/../../up", "a//b", ".git"):
        with pytest.raises(ConfigError, match=r"subset.*cannot be a part of a path"):
            parse(kind, {"dataset": "here", "subset": subset})
    assert parse(kind, {"dataset": "here", "subset": "a/b"}).subset == "a/b"


def test_names_of_any_language_stay(run):
    reward = next(iter(run["rewards"].values()))
    name = "hilfreich & nett, 役に立つ"
    assert parse(RunConfig, run | {"weights": {name: 1.0}, "rewards": {name: reward}}).objectives.names == (name,)
