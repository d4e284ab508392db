"""The sizes of a run: its models, its batch and each process's shard of it, its rewards."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.config.base import member_name
from lenity.errors import ConfigError, ModelError
from lenity.planning.known import REWARD_MODELS
from lenity.planning.memory import Model, Numbers, Pass
from lenity.planning.shapes import shape_of
from lenity.rewards.base import RewardSpec
from lenity.rules.base import GradientRule, Rule
from lenity.runs.config import RunConfig
from lenity.runs.method import METHODS


@dataclass(frozen=True)
class Scorer:
    """A reward model: its number of parameters, its hidden width, and its batch size in texts."""

    parameters: int
    hidden: int
    batch: int


@dataclass(frozen=True)
class Job:
    """The sizes of one run on ``gpus`` accelerators, with every text at its maximum length.

    Args:
        model: policy and critic.
        scorers: reward models; reward functions are counted as free.
        gpus: number of processes, one per accelerator.
        batch: responses per iteration, over all processes.
        prompt: tokens per prompt.
        response: tokens per response.
        mini: maximum of responses per forward pass and process.
        at_once: responses generated at once per process.
        accumulation: mini-batches per optimizer step, over all processes.
        epochs: passes over a batch.
        iterations: iterations of the run.
        nucleus: whether top-p is below 1.
        compared: backward passes for single objectives per update, in units of a full backward pass (gradient rules only).
    """

    model: Model
    scorers: tuple[Scorer, ...]
    gpus: int
    batch: int
    prompt: int
    response: int
    mini: int
    at_once: int
    accumulation: int
    epochs: int
    iterations: int
    nucleus: bool
    compared: float

    @property
    def share(self) -> int:
        """The responses per iteration and process."""
        return math.ceil(self.batch / self.gpus)

    @property
    def step(self) -> int:
        """The responses per optimizer step, over all processes."""
        return min(self.batch, self.mini * self.accumulation)

    @property
    def dealt(self) -> int:
        """The maximum of responses per optimizer step and process; a pass has this many, or ``mini`` if that is less."""
        return math.ceil(self.step / self.gpus)

    @property
    def steps(self) -> int:
        """The optimizer steps per iteration."""
        return self.epochs * math.ceil(self.batch / self.step)

    def rows(self, count: int) -> Pass:
        """A pass of ``count`` responses, or of the process's shard of the batch if that is smaller."""
        return Pass(min(count, self.share), self.prompt, self.response)


def job_of(config: RunConfig, gpus: int, *, prompt: int | None = None) -> Job:
    """The sizes of the run that ``config`` describes; of its models only the configurations are read.

    Args:
        config: configuration of the run.
        gpus: number of processes.
        prompt: tokens per prompt; default: ``prompts.max_tokens``.

    Raises:
        ConfigError: the method does not train in the PPO loop, or the critic is another model than the policy.
        ModelError: the size of a model is not known.
    """
    if config.method.loop_rule is None:
        name = member_name(config.method, METHODS)
        raise ConfigError(
            f"method {name} does not train in the PPO loop, the only one that is planned.", "Plan with plc or linear."
        )
    shape, critic = shape_of(config.policy.model, config.policy.revision), config.critic
    separate = config.estimator.needs_critic and critic.kind == "separate"
    if separate and critic.model not in {None, config.policy.model}:
        raise ConfigError(
            f"critic.model is '{critic.model}', but only a critic of the policy's own shape can be planned.",
            "Leave critic.model out of the plan.",
        )
    numbers = Numbers(4 if config.policy.dtype == "float32" else 2)
    model = Model(
        shape, config.policy.lora, numbers, len(config.rewards), critic.hidden_size, separate,
        config.policy.gradient_checkpointing, config.estimator.needs_critic,
    )  # fmt: skip
    ppo, rollout = config.ppo, config.rollout
    return Job(
        model, tuple(_scorers(config.rewards)), gpus, rollout.batch_size, prompt or config.prompts.max_tokens, rollout.max_new_tokens,
        ppo.mini_batch_size, rollout.generation_batch_size, ppo.accumulation, ppo.epochs, config.method.work(config, 0).rows,
        rollout.top_p < 1, _compared(config.method.loop_rule, len(config.rewards), shape.layers),
    )  # fmt: skip


def _compared(rule: Rule | None, objectives: int, layers: int) -> float:
    """The additional cost of a gradient rule, in backward passes; 0 for other rules.

    The rule needs one more forward pass, counted as 1, and per objective a backward pass through the layers that it compares.
    """
    if not isinstance(rule, GradientRule):
        return 0.0
    return 1 + objectives * (1 / layers if rule.parameters == "last_layer" else 1.0)


def _scorers(rewards: Mapping[str, RewardSpec]) -> Iterable[Scorer]:
    for name, spec in rewards.items():
        model = getattr(spec, "model", None)
        if model is not None:
            yield Scorer(*_size(name, str(model)), int(getattr(spec, "batch_size", 1)))


def _size(name: str, model: str) -> tuple[int, int]:
    """The number of parameters and the width of a reward model, from the table or a local folder."""
    if model in REWARD_MODELS:
        return REWARD_MODELS[model]
    folder = Path(model).expanduser()
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ModelError(
            f"rewards.{name}: the size of '{model}' is not known, and it is not a local folder with weights.",
            f"Name a local copy, or one of: {', '.join(REWARD_MODELS)}.",
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    hidden = next((config[field] for field in ("hidden_size", "n_embd", "dim", "d_model") if field in config), 0)
    return sum(_parameters(file) for file in weights), int(hidden)


def _parameters(file: Path) -> int:
    """The number of parameters in a safetensors file, from its header."""
    from safetensors import safe_open

    with safe_open(file, framework="np") as opened:
        keys: Any = opened.keys()
        return sum(math.prod(opened.get_slice(key).get_shape()) for key in keys)


def described(config: RunConfig) -> str:
    """A description of the run in one line.

    >>> from lenity.planning.default import default
    >>> described(default("meta-llama/Llama-3.1-8B"))
    'meta-llama/Llama-3.1-8B · LoRA of rank 64 · shared critic · plc · 3 objectives'
    """
    parts = [
        config.policy.model, f"LoRA of rank {config.policy.lora.r}",
        f"{config.critic.kind} critic" if config.estimator.needs_critic else "no critic",
        member_name(config.method, METHODS), f"{len(config.rewards)} objectives",
    ]  # fmt: skip
    return " · ".join(parts)
