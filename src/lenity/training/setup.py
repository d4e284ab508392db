"""Loading and construction of everything that a run needs; nothing here trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from lenity.config.base import member_name
from lenity.config.sections import Critic, Logging, Optimizer, Policy, Rollout
from lenity.console import terminal
from lenity.data.base import ReadReport
from lenity.data.conversation import Prompt
from lenity.data.prompts import load_prompts, room_for_prompts, token_counters
from lenity.distributed import launch, seeds
from lenity.distributed.processes import Processes
from lenity.distributed.sharding import shard, unsharded
from lenity.estimators import ESTIMATORS
from lenity.models.actor_critic import ActorCritic, check_head
from lenity.models.critic import Heads, separate_backbone
from lenity.models.logits import backbone_of
from lenity.models.policy import load_policy, merged
from lenity.models.probe import Batching, width_of
from lenity.rewards.asking import check_columns
from lenity.rewards.base import Reward
from lenity.rollout.transformers import TransformersGenerator
from lenity.runs.changes import idle
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training.schedule import schedule_of, steps
from lenity.update.step import FailureState, Update


@dataclass(frozen=True)
class World:
    """The prompts and rewards that a run reads, and the policy, whose adapter it trains."""

    policy: Any
    tokenizer: Any
    rewards: Mapping[str, Reward]
    prompts: list[Prompt]
    report: ReadReport

    def generator(self, rollout: Rollout) -> TransformersGenerator:
        """The generator that samples from the current policy with these settings."""
        return TransformersGenerator(
            self.policy, self.tokenizer, rollout.max_new_tokens, rollout.min_new_tokens,
            rollout.temperature, rollout.top_p, tuple(rollout.stop), rollout.generation_batch_size,
        )  # fmt: skip


@dataclass(frozen=True)
class Trainer:
    """The models and optimizer that training changes, the processes that share them, and the function that shows messages."""

    processes: Processes
    actor_critic: ActorCritic
    update: Update
    notify: Callable[[str], None]


def load_world(config: RunConfig, device: torch.device, notify: Callable[[str], None] | None = None) -> World:
    """The policy, rewards, and prompts within every length window; ``notify`` is called with the modules that the adapter omits."""
    policy, tokenizer = load_policy(config.policy, device, sharded=launch.reshards() is not None, notify=notify)
    check_head(policy)
    rewards = {name: spec.load(device) for name, spec in config.rewards.items()}
    prompts, report = load_prompts(
        config.prompts,
        token_counters(tokenizer, rewards),
        room_for_prompts(tokenizer, config.rollout.max_new_tokens),
        template=config.template,
    )
    check_columns(rewards, prompts, f"prompts ({report.source})")
    return World(policy, tokenizer, rewards, prompts, report)


def prepare(config: RunConfig, run: RunFolder, processes: Processes) -> tuple[RunConfig, World, Trainer]:
    """The configuration, with a policy that is an adapter merged; and everything loaded, on its device and sharded."""
    with processes.first_before_others():
        config = config.model_copy(update={"policy": merged(config.policy, run.path / "base")})
    seeds.seed(config.seed, "setup")
    notify = speaker(config.logging, run, processes)
    world = load_world(config, processes.device, notify)
    if not run.started and (unused := idle(config)):
        name = member_name(config.estimator, ESTIMATORS)
        notify(f"Estimator {name} ignores {', '.join(unused)}, which {'is' if len(unused) == 1 else 'are'} set.")
    critic = config.critic if config.estimator.needs_critic else None
    module = _actor_critic(world, config.policy, critic, processes, temperature=config.rollout.temperature)
    if (again := launch.reshards()) is None:
        module.to(processes.device)
    else:
        shard(module, processes.device, again=again)
    optimizer = _optimizer(config.optimizer, module)
    total = steps(config.ppo, config.rollout.batch_size, config.iterations)
    with unsharded(module):
        _notify_batching(world.generator(config.rollout).batching(), notify)
    update = Update(
        processes, module, optimizer, schedule_of(config.optimizer, total, optimizer), config.ppo, config.optimizer.max_grad_norm,
        FailureState(config.ppo.mini_batch_size), config.tolerance, notify,
    )  # fmt: skip
    return config, world, Trainer(processes, module, update, notify)


def speaker(logging: Logging, run: RunFolder, processes: Processes) -> Callable[[str], None]:
    """A function that writes a message to ``notes.log`` of the run folder and shows it, on the first process only."""

    def notify(text: str) -> None:
        if processes.first:
            run.note(text)
            if logging.progress:
                terminal.notify(text)

    return notify


def _notify_batching(batching: Batching, notify: Callable[[str], None]) -> None:
    if batching != "mixed":
        which = "one by one" if batching == "single" else "in batches of prompts of equal length"
        notify(f"Padding or batching changes the policy's responses, so they are generated {which}, which is slower.")


def _actor_critic(
    world: World, policy: Policy, critic: Critic | None, processes: Processes, *, temperature: float
) -> ActorCritic:
    """The policy, with a critic if the estimator needs one."""
    if critic is None:
        return ActorCritic(world.policy, None, None, temperature=temperature, compiled=policy.compile)
    separate = None
    if critic.kind == "separate":
        sharded = launch.reshards() is not None
        separate = separate_backbone(critic.model, world.policy, policy, processes.device, sharded=sharded)
    read = backbone_of(world.policy.get_base_model()) if separate is None else separate.get_base_model()
    heads = Heads(width_of(read), critic.hidden_size, len(world.rewards))
    return ActorCritic(
        world.policy, heads, separate, detach=critic.detach, temperature=temperature, compiled=policy.compile
    )


def _optimizer(settings: Optimizer, module: ActorCritic) -> torch.optim.Optimizer:
    policy = [p for p in module.policy.parameters() if p.requires_grad]
    critic = [p for name, p in module.named_parameters() if p.requires_grad and not name.startswith("policy.")]
    groups: list[dict[str, Any]] = [{"params": policy}]
    if critic:
        groups.append({"params": critic, "lr": settings.critic_learning_rate or settings.learning_rate})
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
