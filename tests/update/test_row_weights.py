"""Weights that travel with the rows: a batch of several weightings is as each of its rows alone, from rollouts to records."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import tiny
from lenity.advantages.compute import compute_advantages
from lenity.config.objectives import Objectives
from lenity.config.sections import PPO
from lenity.errors import ConfigError
from lenity.estimators import Critic, Group
from lenity.rollout.batch import concatenate
from lenity.rules import MGDA, PGAPO, PLC, Entropic, Linear, Tchebycheff
from lenity.training import metrics
from lenity.training.loop import train
from lenity.training.stages import Stages

ROWS = torch.tensor([[0.7, 0.3], [0.2, 0.8], [1.0, 0.0], [0.5, 0.5]])
OBJECTIVES = Objectives(("helpful", "harmless"), {"helpful": 0.9, "harmless": 0.1})  # whose weights nobody reads
RULES = [PLC(), PLC(gate="net"), Linear(), Entropic(), Tchebycheff()]


def computed(model, batch, rule=PLC(), estimator=Critic()):  # noqa: B008
    module, _ = tiny.actor_critic(model, 2, heads=estimator.needs_critic)
    settings = PPO(normalise="none", whiten=False, mini_batch_size=3)
    return compute_advantages(batch, module, rule=rule, beta=0.1, estimator=estimator, settings=settings)[:2]


@pytest.fixture(scope="module")
def batch(tiny_model):
    _, tokenizer = tiny.actor_critic(tiny_model, 2)
    return replace(tiny.scored(tokenizer, 2), weights=ROWS)


def selected(batch, row):
    return batch.select(torch.tensor([row]))


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_a_row_is_rectified_at_its_own_weights(tiny_model, batch, rule):
    found, _ = computed(tiny_model, batch, rule)
    for row in range(len(batch)):
        alone, _ = computed(tiny_model, selected(batch, row), rule)
        part = selected(found, row)
        torch.testing.assert_close(part.rectified, alone.rectified, rtol=0, atol=1e-6)
        torch.testing.assert_close(part.objective_scale, alone.objective_scale, rtol=0, atol=1e-6)


def test_metrics_are_those_of_the_rows(tiny_model, batch):
    found = metrics.measure(*computed(tiny_model, batch), OBJECTIVES)
    alone = [metrics.measure(*computed(tiny_model, selected(batch, row)), OBJECTIVES) for row in range(len(batch))]
    tokens = [row["tokens"] for row in alone]
    wanted = sum(n * row["conflict_rate"] for n, row in zip(tokens, alone, strict=True)) / sum(tokens)
    assert found["conflict_rate"] == pytest.approx(wanted, abs=1e-6)
    assert alone[2]["conflict_rate"] == 0, "an objective of weight 0 is in no conflict"


def test_rows_of_one_weighting_are_the_weighting_to_the_bit(tiny_model, batch):
    even = torch.tensor([0.25, 0.75])
    found, _ = computed(tiny_model, replace(batch, weights=even.repeat(4, 1)))
    assert torch.equal(found.rectified, PLC().rectify(found.advantages, even).where(batch.response_mask, 0.0))


def test_weights_stay_with_their_rows(tiny_model):
    _, tokenizer = tiny.actor_critic(tiny_model, 2)
    rollouts = replace(tiny.rollouts(tokenizer), weights=ROWS)
    assert torch.equal(rollouts.select(torch.tensor([3, 1])).weights, ROWS[[3, 1]])
    assert torch.equal(concatenate([selected(rollouts, 1), rollouts]).weights, torch.cat([ROWS[1:2], ROWS]))
    assert concatenate([rollouts, replace(rollouts, weights=None)]).weights is None


@pytest.mark.parametrize("rule", [MGDA(), PGAPO()], ids=repr)
def test_a_rule_over_gradients_takes_one_weighting_per_step(tiny_model, batch, rule):
    module, _ = tiny.actor_critic(tiny_model, 2)
    found, _ = computed(tiny_model, batch)
    settings = PPO(epochs=1, mini_batch_size=4, accumulation=1)
    update, before = tiny.updater(module, settings), tiny.trained(module)
    with pytest.raises(
        ConfigError, match=rf"rule {rule.kind}.* combines gradients at one weighting per optimizer step"
    ):
        update(found, tiny.NO_SEED, rule)
    torch.testing.assert_close(tiny.trained(module), before, rtol=0, atol=0)
    stats, _ = update(replace(found, weights=ROWS[:1].repeat(4, 1)), tiny.NO_SEED, rule)
    assert len(stats["combination"]) == 2


def test_without_a_critic_there_are_no_values_and_no_loss_of_them(tiny_model, batch):
    found, entropy = computed(tiny_model, batch, estimator=Group(responses=2))
    assert found.values is None and found.returns is None
    assert "explained_variance" not in metrics.measure(found, entropy, OBJECTIVES)
    module, _ = tiny.actor_critic(tiny_model, 2, heads=False)
    stats, _ = tiny.updater(module, PPO(epochs=1, mini_batch_size=2, accumulation=2))(found, tiny.NO_SEED)
    assert "policy_loss" in stats and not {"value_loss", "value_clip_fraction"} & set(stats)
    exploded = replace(found, logprobs=found.logprobs - 20.0)
    assert tiny.updater(module, PPO(mini_batch_size=2))(exploded, tiny.NO_SEED)[0]["skipped_mini_batches"] > 0


def test_samples_say_the_weights_only_where_rows_have_their_own(tiny_model, tmp_path, monkeypatch):
    plain = train(tiny.run_config(tiny_model, tmp_path / "plain", iterations=1))
    assert all("weights" not in json.loads(line) for line in (plain.path / "samples.jsonl").read_text().splitlines())
    generate = Stages.generate

    def drawn(stages, iteration):
        return replace(generate(stages, iteration), weights=ROWS.repeat(2, 1))

    monkeypatch.setattr(Stages, "generate", drawn)
    run = train(tiny.run_config(tiny_model, tmp_path / "drawn", iterations=1))
    samples = [json.loads(line) for line in (run.path / "samples.jsonl").read_text().splitlines()]
    for sample, row in zip(samples, ROWS, strict=True):
        assert sample["weights"] == pytest.approx({"helpful": row[0].item(), "harmless": row[1].item()})
