"""What the configuration refuses, and that each refusal names the field, the value and the remedy."""

from __future__ import annotations

import pytest
from pydantic import Field

from lenity.config import sections
from lenity.config.base import Section
from lenity.config.load import load, override, parse, read_yaml
from lenity.config.objectives import check_weights
from lenity.config.stages import SFTConfig
from lenity.errors import ConfigError
from lenity.runs.config import RunConfig

BARE = {
    "output": "out", "policy": {"model": "m"}, "prompts": {"type": "toy"},
    "weights": {"helpful": 1.0}, "rewards": {"helpful": {"type": "toy", "preference": "helpful"}},
}  # fmt: skip


class Small(Section):
    output: str
    seed: int = Field(0, ge=0)
    ppo: sections.PPO = sections.PPO()
    kl: sections.KL = sections.KL()


def refused(data, *words):
    with pytest.raises(ConfigError) as caught:
        parse(Small, data)
    for word in words:
        assert word in str(caught.value)


def test_unknown_key_suggests_the_nearest():
    refused({"output": "x", "sed": 1}, "sed: unknown field", "1", "Did you mean 'seed'?")


def test_unknown_key_in_a_section():
    refused({"output": "x", "ppo": {"epoch": 2}}, "ppo.epoch: unknown field", "2", "Did you mean 'epochs'?")


def test_unlike_any_key_lists_the_known():
    refused({"output": "x", "zzz": 1}, "zzz", "Known here: output, seed, ppo, kl")


def test_wrong_type():
    refused({"output": "x", "ppo": {"epochs": "many"}}, "ppo.epochs", "'many'", "Set it with --ppo.epochs value")


def test_out_of_range():
    refused({"output": "x", "ppo": {"gamma": 1.5}}, "ppo.gamma", "1.5")


def test_not_among_the_choices():
    refused({"output": "x", "kl": {"kind": "none"}}, "kl.kind", "'none'", "adaptive", "fixed")


def test_missing():
    refused({}, "output: missing", "--output")


def test_all_problems_at_once():
    refused({"seed": -1, "x": 0}, "3 problems", "output", "seed", "x: unknown")


def test_overrides():
    data = {"ppo": {"epochs": 4, "gamma": 1.0}}
    changed = override(
        data, ["--ppo.epochs", "2", "--kl.coefficient=1e-3", "--output", "here", "--ppo.value_clip", "null"]
    )
    assert changed == {
        "ppo": {"epochs": 2, "gamma": 1.0, "value_clip": None},
        "kl": {"coefficient": 1e-3},
        "output": "here",
    }
    assert data == {"ppo": {"epochs": 4, "gamma": 1.0}}


def test_overriding_a_member_given_by_its_bare_name():
    assert override({"method": "plc"}, ["--method.gate", "net"]) == {"method": {"type": "plc", "gate": "net"}}


@pytest.mark.parametrize(("arguments", "word"), [(["seed", "1"], "seed"), (["--seed"], "'--seed' has no value")])
def test_malformed_overrides(arguments, word):
    with pytest.raises(ConfigError, match=word):
        override({}, arguments)


def test_file_and_overrides(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text("output: a\nppo: {epochs: 3}\n")
    config = load(Small, path, ["--seed", "5"])
    assert (config.output, config.seed, config.ppo.epochs) == ("a", 5, 3)


def test_missing_file_lists_the_neighbours(tmp_path):
    (tmp_path / "near.yaml").write_text("a: 1")
    with pytest.raises(ConfigError, match=r"not found.*near\.yaml"):
        read_yaml(tmp_path / "far.yaml")


@pytest.mark.parametrize("text", ["- a\n- b", "a: [", "just words"])
def test_files_that_are_no_mapping(tmp_path, text):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        read_yaml(tmp_path / "bad.yaml")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({}, "empty"),
        ({"a": 0.5, "b": 0.6}, r"sum to 1\.1, not 1; set all of them"),
        ({"a": 1.5, "b": -0.5}, r"weights\.b is -0\.5"),
        ({"a": float("nan")}, "finite"),
        ({"a": 0.0}, "sum to 0"),
    ],
)
def test_weights_off_the_simplex(weights, words):
    with pytest.raises(ValueError, match=words):
        check_weights(weights)


def test_a_weight_of_no_reward_is_told_before_the_sum():
    with pytest.raises(ConfigError, match=r"weights are for .*helpfull. may be .helpful"):
        parse(RunConfig, BARE | {"weights": {"helpful": 1.0, "helpfull": 0.5}})


def test_weights_on_the_simplex():
    check_weights({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})


def test_sections_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        sections.PPO().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("model", "changes", "what", "remedy"),
    [
        (SFTConfig, {"model": 3}, "model: found 3; input should be a valid string, or a valid dictionary or instance of Scratch.", "Set it with --model value."),
        (SFTConfig, {"model": {"layer": 3}}, "model.layer: unknown field (value 3).", "Did you mean 'layers'?"),
        (RunConfig, {"policy": {"model": "m", "lora": {"target_modules": 3}}}, "policy.lora.target_modules: found 3; input should be a valid list, or 'all-linear'.", "Set it with --policy.lora.target_modules value."),
        (RunConfig, {"logging": {"trackers": "wandb"}}, "logging.trackers: found 'wandb'; a list is required.", "Write --logging.trackers '[wandb]', several separated by commas."),
        (RunConfig, {"logging": {"trackers": ["wand"]}}, "logging.trackers.0: found 'wand'; input should be 'tensorboard', 'wandb' or 'trackio'.", "Did you mean 'wandb'? Set it with --logging.trackers value, which sets the whole list."),
        (RunConfig, {"optimizer": {"betas": [0.9, 1]}}, "optimizer.betas.1: found 1; input should be less than 1.", "Set it with --optimizer.betas value, which sets the whole list."),
        (RunConfig, {"method": {"type": "plc", "label": "a b"}}, "method.label: found 'a b'; 'a b' is not a label; use letters, digits, '_', '.', '+' and '-' alone.", "Set it with --method.label value."),
    ],
)  # fmt: skip
def test_values_of_no_kind_that_a_field_takes(model, changes, what, remedy):
    """The field is named as a user writes it, and once."""
    base = BARE if model is RunConfig else {"output": "o", "model": "m", "data": {"dataset": "d.jsonl"}}
    with pytest.raises(ConfigError) as error:
        parse(model, base | changes)
    assert (error.value.what, error.value.remedy) == (f"the configuration: {what}", remedy)
