"""What a run will cost, from a short probe: a few tokens generated, one mini-batch forward."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from lenity import seeds
from lenity.config.run import RunConfig
from lenity.rewards.calibrate import score_all
from lenity.setup import Trainer, World

PROBE_TOKENS, PROBE_ROWS = 8, 16
UPDATE_FORWARDS = 3  # forward and backward, in forwards
CREDIT_FORWARDS = 2  # the policy and its reference


@dataclass(frozen=True)
class Cost:
    """Estimates: seconds of an iteration, bytes at the peak."""

    seconds: float
    memory: float


@torch.no_grad()
def estimate(config: RunConfig, world: World, trainer: Trainer) -> Cost:
    """Time and memory of one iteration on this process; true to a factor of about two."""
    seeds.seed(config.seed, "setup", 1)
    rollout, ppo = config.rollout, config.ppo
    share = rollout.batch_size // trainer.accelerator.num_processes
    together = min(share, rollout.generation_batch_size)
    prompts = [world.prompts[i % len(world.prompts)] for i in range(together)]
    trainer.actor_critic.eval()
    tokens = min(PROBE_TOKENS, rollout.max_new_tokens)
    generator = _shorter(world.generator(config), tokens)
    generator.generate(prompts[:2])  # the first call warms caches up
    probe, generating = _timed(lambda: generator.generate(prompts))
    scoring = _timed(lambda: score_all(world.rewards, probe.prompts[:PROBE_ROWS], probe.responses[:PROBE_ROWS]))[1]
    rows = torch.arange(min(ppo.mini_batch_size, together), device=probe.response_mask.device)
    part = probe.select(rows)
    forward = _timed(lambda: trainer.actor_critic(**part.inputs))[1] / len(rows)
    longer = (part.prompt_ids.shape[1] + rollout.max_new_tokens) / (part.prompt_ids.shape[1] + tokens)
    seconds = (
        generating / tokens * rollout.max_new_tokens * share / together
        + scoring / min(PROBE_ROWS, together) * share
        + forward * longer * share * (CREDIT_FORWARDS + UPDATE_FORWARDS * ppo.epochs)
    )
    return Cost(seconds, _memory(config, world, trainer, part.prompt_ids.shape[1] + rollout.max_new_tokens))


def _shorter(generator: Any, tokens: int) -> Any:
    from dataclasses import replace

    return replace(generator, max_new_tokens=tokens, min_new_tokens=tokens)


def _timed(work: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def _memory(config: RunConfig, world: World, trainer: Trainer, length: int) -> float:
    """Weights, gradients and moments of what is trained, and the activations of one mini-batch."""
    parameters = list(trainer.actor_critic.parameters())
    weights = sum(p.numel() * p.element_size() for p in parameters)
    optimizer = sum(3 * 4 * p.numel() for p in parameters if p.requires_grad)
    model = world.policy.get_base_model().config.get_text_config()
    bytes_each = parameters[0].element_size()
    tokens = config.ppo.mini_batch_size * length
    activations = tokens * model.hidden_size * model.num_hidden_layers * 20 * bytes_each
    logits = config.ppo.mini_batch_size * config.rollout.max_new_tokens * model.vocab_size * 4 * 3
    return float(weights + optimizer + activations + logits)
