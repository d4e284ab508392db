"""Published settings as a preset."""

from __future__ import annotations

import pytest

import tiny
from lenity.config.load import parse
from lenity.errors import ConfigError
from lenity.methods import METHODS
from lenity.runs.config import RunConfig

BARE = {
    "output": "x",
    "policy": {"model": "m"},
    "prompts": "toy",
    "weights": {"helpful": 0.5, "harmless": 0.5},
    "rewards": {name: {"type": "toy", "preference": name} for name in ("helpful", "harmless")},
    "preset": "paper",
}


def test_gapo_has_its_papers_settings():
    config = parse(RunConfig, BARE | {"method": "gapo:2"})
    assert (config.ppo.clip, config.ppo.epochs, config.optimizer.warmup_steps, config.kl.kind) == (
        0.1,
        2,
        0.03,
        "fixed",
    )
    assert config.method.rule.power == 2 and config.prompts.max_tokens == 512


def test_what_the_user_sets_wins_and_the_whole_is_written():
    config = parse(RunConfig, BARE | {"method": {"type": "ric", "online": {"samples": 7}}, "ppo": {"clip": 0.3}})
    assert (config.method.online.samples, config.method.offline.steps, config.method.online.steps) == (7, 20_000, 4_000)
    assert config.ppo.clip == 0.3 and parse(RunConfig, config.dump()) == config


def test_a_method_without_the_preset_says_so():
    with pytest.raises(ConfigError, match=r"preset 'paper' is not one of method gdpo, which has none"):
        parse(RunConfig, BARE | {"method": "gdpo"})


def test_every_preset_parses(tmp_path):
    for name in METHODS:
        for preset in METHODS[name].presets:
            weights = {"helpful": 1.0, "harmless": 0.0}
            assert parse(RunConfig, BARE | {"method": name, "preset": preset, "weights": weights}).preset == preset


def test_the_defaults_are_the_papers_but_where_measurements_say_otherwise(tmp_path):
    """docs/results/leniency.md: constant leniency was worse than linear scalarisation, leniency that falls was not."""
    plain = parse(RunConfig, {key: value for key, value in BARE.items() if key != "preset"})
    paper = parse(RunConfig, BARE)
    differing = {field for field in RunConfig.model_fields if getattr(plain, field) != getattr(paper, field)}
    assert differing == {"preset", "method"}
    assert (paper.method.rule.schedule, paper.method.rule.temperature, paper.method.rule.gate) == (
        "constant",
        0.5,
        "sigmoid",
    )
    assert (plain.method.rule.schedule, plain.method.rule.schedule_end, plain.method.rule.temperature) == (
        "linear",
        0.6,
        0.1,
    )
    assert tiny.run_config("m", tmp_path, preset="paper").ppo.epochs == 2
