"""The stages of an iteration, as functions of one run's objects."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from lenity import card
from lenity.advantages.compute import compute_advantages
from lenity.advantages.importance import engine_gap
from lenity.data.order import batch_at
from lenity.distributed import seeds
from lenity.distributed.memory import needed
from lenity.distributed.processes import Processes
from lenity.distributed.sharding import unsharded
from lenity.errors import CheckpointError, EngineError
from lenity.rewards.asking import score_all
from lenity.rewards.noise import noisy
from lenity.rewards.standardise import Standardiser
from lenity.rollout.base import Generator, generate
from lenity.rollout.batch import Rollouts, Scored, WithAdvantages
from lenity.rules import Rule
from lenity.rules.memory import Memory, saved
from lenity.runs.checkpoint import Checkpoint, newest
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.training import metrics, resuming
from lenity.training.schedule import advance, steps
from lenity.training.setup import Trainer, World
from lenity.update.kl import AdaptiveKL, FixedKL, resumed

Log = Callable[[dict[str, Any], int], None]  # called with a metrics row and its iteration


@dataclass
class Clock:
    """The seconds that each stage of an iteration took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Measure the time of the block, as that of ``stage``."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 4)


@dataclass(frozen=True)
class Stages:
    """The objects of a run; each function is one stage of an iteration, which are numbered from 0."""

    config: RunConfig
    rule: Rule
    run: RunFolder
    world: World
    trainer: Trainer
    standardiser: Standardiser
    kl: AdaptiveKL | FixedKL
    engine: Generator

    def generate(self, iteration: int) -> Rollouts:
        """The current policy's responses to the iteration's prompts; each row has the run's preference weights."""
        self._seed("generate", iteration)
        each, size = self.config.estimator.responses, self.config.rollout.batch_size
        chosen = batch_at(len(self.world.prompts), iteration, size // each, self.config.seed)
        prompts = [self.world.prompts[i] for i in chosen for _ in range(each)]
        self.trainer.actor_critic.eval()
        fitting = needed("rollout.generation_batch_size", self.config.rollout.generation_batch_size)
        with fitting, nullcontext() if self.engine.copies else unsharded(self.trainer.actor_critic):
            rollouts = generate(self.engine, prompts, self.trainer.processes)
        weights = self.config.objectives.weight_vector(rollouts.response_mask.device)
        return replace(rollouts, weights=weights.repeat(len(rollouts), 1))

    def score(self, rollouts: Rollouts, iteration: int) -> Scored:
        """The batch with raw and standardised scores, one column per objective; ``reward_noise`` changes only the standardised ones.

        Raises:
            RewardError: a reward leaves a larger fraction of the batch without a score than ``tolerance.unscored``.
        """
        objectives, device = self.config.objectives, rollouts.response_mask.device
        columns = score_all(
            self.world.rewards, rollouts.prompts, rollouts.responses,
            self.config.tolerance.unscored, self.trainer.processes,
        )  # fmt: skip
        rescaled = {name: self.standardiser.apply(name, column) for name, column in columns.items()}
        raw, standardised = objectives.stack(columns), objectives.stack(rescaled)
        if self.config.reward_noise:
            standardised = noisy(
                standardised, self.config.reward_noise, seeds.derived(self.config.seed, "noise", iteration, 0)
            )
        return Scored(
            **{field.name: getattr(rollouts, field.name) for field in fields(rollouts)},
            raw=raw.to(device),
            standardised=standardised.nan_to_num().to(device),
            scored=raw.isfinite().to(device),
        )

    def compute_advantages(self, scored: Scored, rule: Rule, memory: Memory) -> tuple[WithAdvantages, Tensor, Memory]:
        """The batch with advantages by the rule at this point of training, the policy's entropy, and the rule's memory."""
        with needed("ppo.mini_batch_size", self.config.ppo.mini_batch_size):
            return compute_advantages(
                scored,
                self.trainer.actor_critic,
                rule=rule,
                memory=memory,
                estimator=self.config.estimator,
                beta=self.kl.coefficient,
                settings=self.config.ppo,
                processes=self.trainer.processes,
            )

    def update(
        self, batch: WithAdvantages, entropy: Tensor, rule: Rule, memory: Memory, iteration: int
    ) -> tuple[dict[str, Any], Memory]:
        """The iteration's metrics and the rule's memory, after training on the batch and adapting beta."""
        row = metrics.measure(batch, entropy, self.config.objectives)
        row |= engine_gap(batch, self.config.ppo.importance_cap)
        row |= {
            "kl_coefficient": self.kl.coefficient,
            "learning_rate": self.trainer.update.optimizer.param_groups[0]["lr"],
        }
        report, memory = self.trainer.update(batch, lambda epoch: self._seed("update", iteration, epoch), rule, memory)
        row |= report
        if "combination" in row:
            row["combination"] = dict(zip(self.config.objectives.names, row["combination"], strict=True))
        self.kl.update(row["kl"], self.config.rollout.batch_size)
        return row, memory

    def record(
        self, row: dict[str, Any], batch: WithAdvantages, clock: Clock, iteration: int, log: Log
    ) -> dict[str, Any]:
        """The complete metrics row of the iteration, which is written with samples to the run folder, and logged."""
        done = iteration + 1
        speed = round(row["tokens"] / sum(clock.seconds.values()), 1)
        row = {"iteration": done} | row | {"tokens_per_second": speed, "seconds": clock.seconds}
        if self.trainer.processes.first:
            self.run.append(row, self._samples(batch, done))
            log(row, done)
            if self.config.policy.compile and done == 2:
                self._notify_compile_time(row)
        return row

    def _notify_compile_time(self, second: dict[str, Any]) -> None:
        """Show the compile time: the difference of the first iteration and the second, which compiles little or nothing."""
        first, later = (sum(row["seconds"].values()) for row in (self.run.metrics()[0], second))
        self.trainer.notify(
            f"policy.compile took about {max(first - later, 0):.0f} s: the first iteration needed {first:.1f} s, the second {later:.1f} s."
        )

    def save(self, done: int, memory: Memory) -> None:
        """Write a checkpoint, with the rule's ``memory``.

        Raises:
            NumericalError: a weight is not finite; earlier checkpoints are kept.
        """
        update = self.trainer.update
        state = {
            "kl_coefficient": self.kl.coefficient,
            "settings": resuming.settings(self.config),
            "setbacks": asdict(update.failures),
            "processes": self.trainer.processes.count,
        }
        if self.trainer.processes.first:
            now = Checkpoint.of(done, self.trainer.actor_critic, update.optimizer, saved(memory, self.rule.kind), state)
            now.save(self.run.checkpoints, self.config.checkpoint)

    @contextmanager
    def saved(self, done: int, memory: Memory, *, unless: int) -> Iterator[None]:
        """Save a checkpoint if the engine fails inside the block, unless only ``unless`` iterations are done, which are saved already."""
        try:
            yield
        except EngineError:
            if done > unless:
                self.save(done, memory)
            raise

    def restore(self, given: RunConfig, *, allow_changes: bool) -> tuple[int, Memory]:
        """The number of iterations done and the rule's memory, after restoring the newest intact checkpoint and recording the settings.

        Args:
            given: the user's configuration.
            allow_changes: resume also with another number of processes, whose sums differ in the last digits.

        Raises:
            CheckpointError: the checkpoint is of another model or number of processes, or there are checkpoints and none is intact.
        """
        checkpoint = newest(self.run.checkpoints, len(self.run.metrics()), self.trainer.notify)
        done = checkpoint.iteration if checkpoint else 0
        before = resuming.made_with(checkpoint.state, self.run.config) if checkpoint else self.config
        memory = self.rule.initial_memory(list(self.config.rewards))
        if checkpoint:
            self._check_processes(int(checkpoint.state.get("processes", 1)), done, allow_changes)
            memory = self._restore_from(checkpoint, before) or memory
        self.trainer.processes.wait()  # until all have read the rows and the recorded settings
        if self.trainer.processes.first:
            self.run.truncate(done)
            self.run.take_on(given, self.trainer.notify)
        self.trainer.processes.wait()  # so that all count the tokens of the same rows
        if text := resuming.outlook(before, self.config, done, self.run.tokens()):
            self.trainer.notify(text)
        return done, memory

    def _restore_from(self, checkpoint: Checkpoint, before: RunConfig) -> Memory:
        """The rule's memory; the other state is restored in place, while settings are those of the configuration, not of ``before``."""
        update, now = self.trainer.update, self.config
        checkpoint.restore(self.trainer.actor_critic, update.optimizer)
        advance(update.schedule, steps(now.ppo, now.rollout.batch_size, checkpoint.iteration))
        resized = before.ppo.mini_batch_size != now.ppo.mini_batch_size
        update.failures.restore(checkpoint.state["setbacks"], resized=resized)
        self.kl.coefficient = resumed(before.kl, now.kl, checkpoint.state["kl_coefficient"])
        kind = rule.kind if (rule := before.method.loop_rule) else ""
        if not checkpoint.rule or kind == self.rule.kind:
            return checkpoint.rule
        self.trainer.notify(f"The memory of rule {kind} is discarded: the rule is now {self.rule.kind}.")
        return {}

    def _check_processes(self, before: int, done: int, allow_changes: bool) -> None:
        if before == (now := self.trainer.processes.count):
            return
        changed = f"the number of processes was {before} and is {now}"
        if not allow_changes:
            raise CheckpointError(
                f"'{self.run.path}' would not be reproduced bit-exactly: {changed}.",
                f"Resume with {before}, or add --allow-changes.",
            )
        self.trainer.notify(f"Changed after iteration {done}: {changed}.")

    def finish(self) -> None:
        """Write the adapter, then the model card, which marks the run as finished."""
        if self.trainer.processes.first:
            self.run.save_adapter(self.trainer.actor_critic.policy)
            card.write(self.config, self.run)
        self.trainer.processes.wait()

    def _seed(self, stage: seeds.Stage, *position: int) -> None:
        seeds.seed(
            self.config.seed, stage, *position, 0
        )  # the last number was the process's rank in an earlier version

    def _samples(self, batch: WithAdvantages, done: int) -> list[dict[str, Any]]:
        """The first rows as samples; with the weights of each if any row of the batch has other weights than the run."""
        objectives = self.config.objectives
        differ = bool((batch.weights != objectives.weight_vector(batch.weights.device)).any())
        return [
            {
                "iteration": done,
                "prompt": batch.prompts[i].text,
                "response": batch.responses[i],
                "raw": {
                    name: score if math.isfinite(score) else None
                    for name, score in objectives.named(batch.raw[i]).items()
                },
            }
            | ({"weights": objectives.named(batch.weights[i])} if differ else {})
            for i in range(min(self.config.logging.samples, len(batch)))
        ]


@contextmanager
def trackers(names: Sequence[str], folder: Path, settings: Mapping[str, Any], processes: Processes) -> Iterator[Log]:
    """A function that logs a metrics row and its iteration to the trackers in ``names``: TensorBoard, W&B or trackio.

    Args:
        names: names of trackers.
        folder: the run folder.
        settings: the run's settings, which the trackers record.
        processes: only the first one logs.
    """
    if not (names and processes.first):
        yield lambda row, iteration: None
        return
    from accelerate import Accelerator

    accelerator = Accelerator(log_with=list(names), project_dir=str(folder))
    accelerator.init_trackers("lenity", config={key: str(value) for key, value in settings.items()})
    yield lambda row, iteration: accelerator.log(_flat(row), step=iteration)
    for tracker in accelerator.trackers:  # accelerator.end_training would also destroy the process group
        tracker.finish()


def _flat(row: dict[str, Any]) -> dict[str, float]:
    flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
    inner = {key: value for key, value in row.items() if isinstance(value, dict)}
    return flat | {f"{key}/{name}": value for key, values in inner.items() for name, value in values.items()}
