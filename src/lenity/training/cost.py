"""Estimates of a run's time and memory, from a short probe: a few generated tokens and one forward pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch

from lenity.config.sections import Rollout
from lenity.data.tokens import prompt_ids
from lenity.distributed import seeds
from lenity.distributed.sharding import kept, unsharded
from lenity.rewards.asking import ask
from lenity.runs.config import RunConfig
from lenity.runs.work import BACKWARD, Work
from lenity.training.setup import Trainer, World

PROBE_TOKENS, PROBE_ROWS = 8, 16
T = TypeVar("T")


@dataclass(frozen=True)
class Rates:
    """Seconds per response of the greatest length on one process.

    Args:
        generating: seconds to sample it.
        scoring: seconds to score it by all rewards.
        forward: seconds of a forward pass.
        last_layer: cost of a backward pass to the last layer's adapter, as a fraction of a full backward pass.
    """

    generating: float
    scoring: float
    forward: float
    last_layer: float

    def seconds(self, work: Work) -> float:
        """The seconds that ``work`` takes on one process."""
        reach = self.last_layer if work.compared == "last_layer" else 1.0
        passes = work.forwards + BACKWARD * reach * work.gradients
        return work.generated * self.generating + work.scored * self.scoring + passes * self.forward


@dataclass(frozen=True)
class Cost:
    """Estimated seconds per iteration, and bytes of memory at the peak."""

    seconds: float
    memory: float


def estimate(config: RunConfig, world: World, trainer: Trainer) -> Cost:
    """The time and memory of one iteration on this process, accurate to a factor of about two."""
    work = config.method.work(config, len(world.prompts))
    size = config.ppo.mini_batch_size
    rates = probe(world, trainer, config.rollout, mini_batch_size=size, seed=config.seed)
    seconds = rates.seconds(work) / max(work.rows, 1) / trainer.processes.count
    return Cost(seconds, memory(world, trainer, mini_batch_size=size, longest=config.rollout.max_new_tokens))


@torch.no_grad()
def probe(world: World, trainer: Trainer, rollout: Rollout, *, mini_batch_size: int, seed: int) -> Rates:
    """The rates, measured on the loaded models."""
    seeds.seed(seed, "setup", 1)
    batch_size = min(-(-rollout.batch_size // trainer.processes.count), rollout.generation_batch_size)
    prompts = [world.prompts[i % len(world.prompts)] for i in range(batch_size)]
    trainer.actor_critic.eval()
    tokens = min(PROBE_TOKENS, rollout.max_new_tokens)
    generator = replace(world.generator(rollout), max_new_tokens=tokens, min_new_tokens=tokens)
    with unsharded(trainer.actor_critic):
        generator.generate(prompts[:2])  # the first call warms up caches
        rollouts, generating = timed(lambda: generator.generate(prompts))
    rows = min(PROBE_ROWS, batch_size)
    texts = (
        rollouts.prompts[:rows],
        rollouts.responses[:rows],
    )  # cut short, so that only the time of scoring has a meaning
    _, scoring = timed(lambda: [ask(reward, *texts) for reward in world.rewards.values()])
    part = rollouts.select(torch.arange(min(mini_batch_size, batch_size), device=rollouts.response_mask.device))
    _, forward = timed(lambda: trainer.actor_critic(**part.inputs))
    prompt = part.prompt_ids.shape[1]
    longer = (prompt + rollout.max_new_tokens) / (prompt + tokens)
    return Rates(
        generating=generating / tokens * rollout.max_new_tokens / batch_size,
        scoring=scoring / rows,
        forward=forward * longer / len(part),
        last_layer=_last_layer(world.policy.get_base_model()),
    )


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """The result of ``work``, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return result, time.perf_counter() - start


def memory(world: World, trainer: Trainer, *, mini_batch_size: int, longest: int) -> float:
    """The bytes of the weights, of the trained parameters' gradients and moments, and of the activations of one mini-batch."""
    parameters = list(trainer.actor_critic.parameters())
    weights = sum(kept(p) * p.element_size() for p in parameters)
    optimizer = sum(3 * 4 * p.numel() for p in parameters if p.requires_grad)
    model = world.policy.get_base_model().config.get_text_config()
    prompt = max(map(len, prompt_ids(world.tokenizer, [prompt.text for prompt in world.prompts[:PROBE_ROWS]])))
    tokens = mini_batch_size * (prompt + longest)
    activations = tokens * model.hidden_size * model.num_hidden_layers * 20 * parameters[0].element_size()
    logits = mini_batch_size * longest * model.vocab_size * 4 * 3
    return float(weights + optimizer + activations + logits)


def _last_layer(model: Any) -> float:
    """The parameters of the head and one layer, as a fraction of those that a full backward pass goes through."""
    config = model.config.get_text_config()
    head = int(config.vocab_size * config.hidden_size)
    embeddings = head if config.tie_word_embeddings else 2 * head
    layers = max(sum(p.numel() for p in model.parameters()) - embeddings, 1)
    return float((head + layers / config.num_hidden_layers) / (head + layers))
