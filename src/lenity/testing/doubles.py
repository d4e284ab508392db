"""Tiny test doubles: a random policy with a byte-level tokenizer, and two worlds in which to train with a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lenity.errors import ConfigError
from lenity.rules import RULES, Rule

Rewards = list[dict[str, float]]
SMALL = {
    "prompts": 600,
    "transcripts": 6000,
    "pairs": 64,
    "held_out": 30,
}  # sizes of a toy world that is built in seconds


def tiny_policy(seed: int = 0) -> tuple[Any, Any]:
    """The model and tokenizer: an untrained Llama with two layers and hidden size 16, and a tokenizer with one token per byte."""
    import torch
    from transformers import LlamaForCausalLM

    from lenity.config.stages import Scratch
    from lenity.models.scratch import llama_config, train_tokenizer

    spec = Scratch(hidden_size=16, layers=2, heads=2, vocab_size=260, max_position_embeddings=512)
    tokenizer = train_tokenizer([], vocab_size=260, max_length=512)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(llama_config(spec, tokenizer)).eval(), tokenizer


def save_tiny_policy(folder: str | Path, seed: int = 0) -> Path:
    """The folder, after :func:`tiny_policy` was saved there as safetensors: a ``policy.model`` for any configuration."""
    for part in tiny_policy(seed):
        part.save_pretrained(folder)
    return Path(folder)


def climb_bandit(rule: Rule, weights: Sequence[float] = (0.5, 0.5), steps: int = 300, rate: float = 0.4) -> Rewards:
    """The exact expected rewards before each step of ``rule`` on a bandit with two extremes and a compromise; takes about a second.

    The three actions have rewards (1, 0), (0, 1) and (.6, .6), and the initial policy is uniform.

    >>> from lenity.rules import Linear
    >>> path = climb_bandit(Linear(), steps=50)
    >>> len(path), [round(value, 2) for value in path[0].values()]
    (50, [0.53, 0.53])
    """
    import torch

    from lenity.lab.ascent import ascend, constant
    from lenity.lab.bandit import trade_off

    path: Rewards = []

    def watch(_: int, theta: Any, point: Any, direction: Any) -> None:
        path.append(dict(zip(("first", "second"), point.values[0].tolist(), strict=True)))

    start = torch.zeros(1, 3, dtype=torch.float64)
    ascend(trade_off(), rule, start.new_tensor([list(weights)]), start, steps=steps, rate=constant(rate), watch=watch)
    return path


def train_in_toy_world(
    rule: Rule,
    output: str | Path,
    weights: Mapping[str, float] | None = None,
    iterations: int = 8,
    *,
    cache: Path | None = None,
    **changes: Any,
) -> Rewards:
    """The mean exact reward per preference and iteration of a training run with ``rule``.

    The toy world's policy is trained on the world's exact rewards by the loop of `lenity train`: generation, critic, advantages
    (B, T, K), the rule, PPO, checkpoints. The world is built once and cached in ``cache``.

    Args:
        rule: a rule registered in ``RULES``, so that the run folder can name it.
        output: the run folder.
        weights: weights of helpful, harmless and humorous; a third each by default.
        iterations: number of iterations, of 128 responses each.
        cache: folder for the world; by default the user's cache directory.
        changes: other fields of the run's configuration.

    Raises:
        ConfigError: the rule is not registered.
    """
    from lenity.config.base import dump_member
    from lenity.config.load import parse
    from lenity.runs.config import RunConfig
    from lenity.toy.demo import configuration
    from lenity.toy.scores import PREFERENCES
    from lenity.toy.world import build_world
    from lenity.training.loop import train

    if not any(RULES[name] is type(rule) for name in RULES):
        raise ConfigError(
            f"rule {type(rule).__name__} is not registered, so the run folder cannot name it.",
            "Decorate its class: @RULES.register('my-rule').",
        )
    config = configuration(build_world(cache=cache, progress=False, settings=SMALL), Path(output), 0, iterations)
    data = config.dump() | {
        "method": dump_member(rule, RULES),
        "weights": dict(weights or config.weights),
        "rewards": {name: {"type": "toy", "preference": name} for name in PREFERENCES},
        "held_out_rewards": {},
        "logging": {"progress": False},
    }
    run = train(parse(RunConfig, data | changes))
    return [row["reward"] for row in run.metrics()]
