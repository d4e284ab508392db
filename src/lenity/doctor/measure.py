"""The measurements of a run: its models, rewards and prompts are loaded, and the reference policy answers some prompts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from lenity.advantages.conflict import conflict
from lenity.config.extras import require_trackers
from lenity.config.sections import Rollout
from lenity.console.progress import track
from lenity.data.loading import evenly_spaced
from lenity.distributed import seeds
from lenity.distributed.processes import ALONE
from lenity.doctor.measurements import (
    ConflictStats,
    Correlation,
    CostStats,
    Measurements,
    PolicyStats,
    ResponseStats,
)
from lenity.doctor.rewards import Array, measure_reward
from lenity.doctor.texts import measure_held_out, measure_prompts, of_policy, of_reward
from lenity.evaluation.trained import Trained
from lenity.models.actor_critic import check_head
from lenity.models.precision import bfloat16_gain
from lenity.pareto.confidence import Interval
from lenity.rewards.asking import check_columns
from lenity.rollout.batch import Rollouts
from lenity.rules import PLC, Rule
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training import cost, engines
from lenity.training.setup import Trainer, World, prepare

NORMAL_95 = 1.96


def measure(config: RunConfig, count: int) -> Measurements:
    """Measurements of ``config`` on at most ``count`` responses.

    Raises:
        LenityError: a model, a reward or the prompts cannot be loaded.
    """
    require_trackers(config.logging.trackers)
    engines.require(config.rollout)
    trained = Trained.of([config])
    with TemporaryDirectory() as folder:
        config, world, trainer = prepare(config, RunFolder(folder), ALONE)
    if config.rollout.engine != "vllm":  # vLLM would need the memory of a second model
        engines.load(config.rollout, world, ALONE, base=config.policy, folder=Path(config.output))
    rollouts = _answers(world, config.rollout, count, config.seed)
    specs = {**config.rewards, **config.held_out_rewards}
    texts = [prompt.text + response for prompt, response in zip(rollouts.prompts, rollouts.responses, strict=True)]
    tokenizers, rewards, scores = {"policy": of_policy(world, texts)}, {}, {}
    with track("scoring", len(specs), unit="rewards") as advance:
        for name, spec in specs.items():
            reward = world.rewards.get(name) or spec.load(world.policy.device)
            check_columns({name: reward}, world.prompts, f"prompts ({world.report.source})")
            rewards[name], scores[name] = measure_reward(spec, reward, rollouts.prompts, rollouts.responses)
            if (tokenizer := of_reward(reward, texts)) is not None:
                tokenizers[name] = tokenizer
            advance()
    names = tuple(config.rewards)
    tolerated = config.tolerance.unscored
    trains = all(reward.within(tolerated, len(rollouts)) for reward in rewards.values())
    return Measurements(
        objectives=names,
        rewards=rewards,
        tokenizers=tokenizers,
        prompts=measure_prompts(world, config.prompts.max_tokens),
        responses=_responses(rollouts, config.rollout.max_new_tokens),
        correlations=tuple(Correlation(a, b, correlation(scores[a], scores[b])) for a, b in combinations(names, 2)),
        conflict=_conflict(scores, config.weights, config.method.loop_rule),
        cost=_cost(config, world, trainer) if trains else None,
        policy=PolicyStats(check_head(world.policy), world.generator(config.rollout).batching()),
        held_out=measure_held_out(config.held_out_prompts, trained),
        tolerated=tolerated,
    )


def correlation(first: Array, second: Array) -> Interval:
    """Pearson's r over the rows with both scores, and its 95 % interval by Fisher's transformation; NaN below four rows."""
    both = np.isfinite(first) & np.isfinite(second)
    one, two = first[both], second[both]
    if len(one) < 4 or not one.std() > 0 or not two.std() > 0:
        return Interval(math.nan, math.nan, math.nan)
    r = float(np.clip(np.corrcoef(one, two)[0, 1], -1, 1))
    centre, half = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), NORMAL_95 / math.sqrt(len(one) - 3)
    return Interval(r, float(np.tanh(centre - half)), float(np.tanh(centre + half)))


def _answers(world: World, rollout: Rollout, count: int, seed: int) -> Rollouts:
    prompts = evenly_spaced(world.prompts, count)
    seeds.seed(seed, "calibrate")
    world.policy.eval()
    with track("answering", len(prompts), unit="responses") as advance, world.policy.disable_adapter():
        return world.generator(rollout).generate(prompts, advance)


def _responses(rollouts: Rollouts, max_new_tokens: int) -> ResponseStats:
    return ResponseStats(
        count=len(rollouts),
        tokens=float(rollouts.response_mask.sum(1).float().mean()),
        max_new_tokens=max_new_tokens,
        cut=float((~rollouts.finished).float().mean()),
        empty=float(np.mean([not text.strip() for text in rollouts.responses])),
    )


def _conflict(scores: Mapping[str, Array], weights: Mapping[str, float], own: Rule | None) -> ConflictStats | None:
    """Conflict between the scores, each (n,); None for fewer than two objectives of positive weight that vary."""
    names = [name for name, weight in weights.items() if weight > 0]
    table = np.array([scores[name] for name in names]).T
    table = table[np.isfinite(table).all(1)]
    if len(names) < 2 or len(table) < 2 or not (table.std(0) > 0).all():
        return None
    standard = torch.from_numpy((table - table.mean(0)) / table.std(0))
    vector = torch.tensor([weights[name] for name in names], dtype=standard.dtype)
    rule = own if isinstance(own, PLC) else PLC(gate="net")
    scale = rule.objective_scale(standard, vector)[standard < 0]
    return ConflictStats(
        rate=float(conflict(standard, vector).float().mean()),
        gated=float((scale < 1 - 1e-9).float().mean()),
        objective_scale=float(scale.mean()),
        gate=rule.gate,
    )


def _cost(config: RunConfig, world: World, trainer: Trainer) -> CostStats:
    work, size = config.method.work(config, len(world.prompts)), config.ppo.mini_batch_size
    return CostStats(
        seconds=cost.probe(world, trainer, config.rollout, mini_batch_size=size, seed=config.seed).seconds(work),
        rows=work.rows,
        memory=cost.memory(world, trainer, mini_batch_size=size, longest=config.rollout.max_new_tokens),
        available=_available(world.policy.device),
        dtype=str(world.policy.dtype).removeprefix("torch."),
        bfloat16=bfloat16_gain(world.policy.config.get_text_config().hidden_size, world.policy.device),
    )


def _available(device: Any) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
