"""Which engine a run has, what it refuses before anything is loaded, and a run whose engine samples otherwise than the trainer."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import tiny
from lenity.distributed.processes import ALONE, Processes
from lenity.errors import ConfigError, EngineError
from lenity.methods import train
from lenity.models.actor_critic import ActorCritic
from lenity.models.critic import Heads
from lenity.rollout.transformers import TransformersGenerator
from lenity.training import engines

FAR = {"engine": "continuous", "batch_size": 8, "max_new_tokens": 6}


def test_an_engine_that_is_missing_says_what_to_install_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    config = tiny.run_config(tmp_path / "no model", tmp_path / "run", rollout={"engine": "vllm"})
    with pytest.raises(EngineError, match=r"not installed.*lenity\[vllm\]"):
        train(config)
    assert not (tmp_path / "run").exists()


def test_tensor_parallelism_divides_the_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: True)
    config = tiny.run_config("model", tmp_path, rollout={"engine": "vllm", "vllm": {"tensor_parallel": 2}})
    with pytest.raises(ConfigError, match="does not divide the 3 processes"):
        engines.require(config.rollout, Processes(count=3))
    engines.require(config.rollout, Processes(count=4))


def test_a_method_that_does_not_train_in_the_loop_has_no_engine(tmp_path):
    with pytest.raises(ConfigError, match=r"method ric does not train in the loop, so rollout\.engine continuous"):
        tiny.run_config("model", tmp_path, method={"type": "ric"}, rollout=FAR)


def test_a_run_without_an_engine_has_our_own(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "run")
    world = SimpleNamespace(generator=lambda rollout: "own")
    assert engines.load(config.rollout, world, ALONE, base=config.policy, folder=tmp_path) == "own"


class Warmer:
    """An engine that samples at another temperature than the trainer believes, and says with what log-probs."""

    copies = False

    def __init__(self, own: TransformersGenerator, temperature: float) -> None:
        self.own = replace(own, temperature=temperature, min_new_tokens=0)
        self.max_new_tokens = own.max_new_tokens

    def generate(self, prompts, progress=None, draws=None):
        batch = self.own.generate(prompts, progress, draws)
        heads = Heads(16, 8, 2)
        with torch.no_grad():
            drawn = ActorCritic(self.own.model, heads, temperature=self.own.temperature).eval()(**batch.inputs).logprobs
        return replace(batch, engine_logprobs=drawn)


def runs(tiny_model, tmp_path, monkeypatch, temperature, **ppo):
    """A short run with such an engine."""
    monkeypatch.setattr(engines, "load", lambda rollout, world, *_, **__: Warmer(world.generator(rollout), temperature))
    settings = {"epochs": 1, "mini_batch_size": 4, "accumulation": 1} | ppo
    config = tiny.run_config(tiny_model, tmp_path / f"{temperature}{ppo}", iterations=2, ppo=settings)
    return train(config).metrics()


def test_a_run_whose_engine_is_perturbed_shows_the_gap_and_corrects_it(tiny_model, tmp_path, monkeypatch, one_thread):
    plain = runs(tiny_model, tmp_path, monkeypatch, 1.0)
    warm = runs(tiny_model, tmp_path, monkeypatch, 1.5)
    low = runs(tiny_model, tmp_path, monkeypatch, 1.5, importance_cap=1.0)
    for row in plain:
        assert row["engine_gap_max"] < 1e-4 and row["importance_mean"] == pytest.approx(1, abs=1e-5)
    for row in warm:
        assert row["engine_gap_mean"] > 0.05 and row["engine_gap_max"] > row["engine_gap_mean"]
        assert row["engine_kl"] > 1e-3
        assert 0 < row["importance_mean"] < 2 and 0 <= row["importance_capped"] < 1
    # the same responses with another cap: where a weight is above it, the loss is another
    assert low[0]["importance_capped"] > 0 and low[0]["reward"] == warm[0]["reward"]
    assert low[0]["importance_mean"] < warm[0]["importance_mean"]
    assert low[0]["policy_loss"] != warm[0]["policy_loss"]
