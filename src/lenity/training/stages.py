"""The stages of an iteration, bound to one run: what each needs, and where its result goes."""

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

Log = Callable[[dict[str, Any], int], None]  # a row of metrics, and the iteration that it is of


@dataclass
class Clock:
    """Seconds each stage of an iteration took."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 4)


@dataclass(frozen=True)
class Stages:
    """Everything a run holds; each method is one stage of ``iteration`` (from 0)."""

    config: RunConfig
    rule: Rule
    run: RunFolder
    world: World
    trainer: Trainer
    standardiser: Standardiser
    kl: AdaptiveKL | FixedKL
    engine: Generator

    def generate(self, iteration: int) -> Rollouts:
        """The iteration's prompts, answered by the policy as it is now; each row has the run's weights."""
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
        """Raw and standardised scores, one column an objective; noise, where asked for, on the standardised alone.

        Raises:
            RewardError: a reward leaves a larger share of the batch without a score than ``tolerance.unscored``.
        """
        objectives, device = self.config.objectives, rollouts.response_mask.device
        columns = score_all(
            self.world.rewards, rollouts.prompts, rollouts.responses,
            self.config.tolerance.unscored, self.trainer.processes,
        )  # fmt: skip
        standard = {name: self.standardiser.apply(name, column) for name, column in columns.items()}
        raw, learnt = objectives.stack(columns), objectives.stack(standard)
        if self.config.reward_noise:
            learnt = noisy(learnt, self.config.reward_noise, seeds.derived(self.config.seed, "noise", iteration, 0))
        return Scored(
            **{field.name: getattr(rollouts, field.name) for field in fields(rollouts)},
            raw=raw.to(device),
            standardised=learnt.nan_to_num().to(device),
            scored=raw.isfinite().to(device),
        )

    def compute_advantages(self, scored: Scored, rule: Rule, memory: Memory) -> tuple[WithAdvantages, Tensor, Memory]:
        """One advantage per token, by the rule as it is at this point of training; the policy's entropy; and the rule's memory."""
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
        """Train on the batch and move beta; what to report of the iteration, and the rule's memory."""
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
        """Write the iteration's row and samples, and ``log`` its numbers."""
        done = iteration + 1
        speed = round(row["tokens"] / sum(clock.seconds.values()), 1)
        row = {"iteration": done} | row | {"tokens_per_second": speed, "seconds": clock.seconds}
        if self.trainer.processes.first:
            self.run.append(row, self._samples(batch, done))
            log(row, done)
            if self.config.policy.compile and done == 2:
                self._say_what_compiling_took(row)
        return row

    def _say_what_compiling_took(self, second: dict[str, Any]) -> None:
        """The first iteration compiled, the second did not, or hardly."""
        first, later = (sum(row["seconds"].values()) for row in (self.run.metrics()[0], second))
        self.trainer.notify(
            f"policy.compile took about {max(first - later, 0):.0f} s: the first iteration needed {first:.1f} s, the second {later:.1f} s."
        )

    def save(self, done: int, memory: Memory) -> None:
        """Write a checkpoint, with the rule's ``memory``.

        Raises:
            NumericalError: the weights are broken; the checkpoints before stay.
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
        """What an engine that fails leaves is saved first, unless only ``unless`` iterations are done, which are saved already."""
        try:
            yield
        except EngineError:
            if done > unless:
                self.save(done, memory)
            raise

    def restore(self, given: RunConfig, *, allow_changes: bool) -> tuple[int, Memory]:
        """Go back to the newest whole checkpoint, and put the settings on record; how many iterations are done, and the rule's memory.

        Args:
            given: the configuration as the user gave it.
            allow_changes: also where it is of another number of processes, whose sums differ in their last digit.

        Raises:
            CheckpointError: it is of another model or number of processes, or there are checkpoints and none is whole.
        """
        found = newest(self.run.checkpoints, len(self.run.metrics()), self.trainer.notify)
        done = found.iteration if found else 0
        before = resuming.made_with(found.state, self.run.config) if found else self.config
        memory = self.rule.initial_memory(list(self.config.rewards))
        if found:
            self._check_processes(int(found.state.get("processes", 1)), done, allow_changes)
            memory = self._go_back(found, before) or memory
        self.trainer.processes.wait()  # all have read the rows, and the settings as they were
        if self.trainer.processes.first:
            self.run.truncate(done)
            self.run.take_on(given, self.trainer.notify)
        self.trainer.processes.wait()  # all count the tokens of the same rows
        if text := resuming.outlook(before, self.config, done, self.run.tokens()):
            self.trainer.notify(text)
        return done, memory

    def _go_back(self, found: Checkpoint, before: RunConfig) -> Memory:
        """State from the checkpoint; settings from the configuration, where they are others than ``before`` too; the rule's memory."""
        update, now = self.trainer.update, self.config
        found.restore(self.trainer.actor_critic, update.optimizer)
        advance(update.schedule, steps(now.ppo, now.rollout.batch_size, found.iteration))
        update.failures.restore(found.state["setbacks"], resized=before.ppo.mini_batch_size != now.ppo.mini_batch_size)
        self.kl.coefficient = resumed(before.kl, now.kl, found.state["kl_coefficient"])
        kind = rule.kind if (rule := before.method.loop_rule) else ""
        if not found.rule or kind == self.rule.kind:
            return found.rule
        self.trainer.notify(f"What rule {kind} remembered is left out: the rule is {self.rule.kind}.")
        return {}

    def _check_processes(self, before: int, done: int, allow_changes: bool) -> None:
        if before == (now := self.trainer.processes.count):
            return
        changed = f"the number of processes was {before} and is {now}"
        if not allow_changes:
            raise CheckpointError(
                f"'{self.run.path}' was begun otherwise and would not end to the bit as it would have: {changed}.",
                f"Resume with {before}, or add --allow-changes.",
            )
        self.trainer.notify(f"Changed after iteration {done}: {changed}.")

    def finish(self) -> None:
        """The adapter, then the model card, with which the run is finished."""
        if self.trainer.processes.first:
            self.run.save_adapter(self.trainer.actor_critic.policy)
            card.write(self.config, self.run)
        self.trainer.processes.wait()

    def _seed(self, stage: seeds.Stage, *position: int) -> None:
        seeds.seed(self.config.seed, stage, *position, 0)  # the last number was the process, before all had one state

    def _samples(self, batch: WithAdvantages, done: int) -> list[dict[str, Any]]:
        """The first rows; with the weights of each where any row of the batch has others than the run's."""
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
    """TensorBoard, W&B or trackio, those of ``names``; takes a row of metrics and the iteration that it is of.

    Args:
        names: of trackers.
        folder: of the run.
        settings: what is recorded of the run's.
        processes: the first one tracks.
    """
    if not (names and processes.first):
        yield lambda row, iteration: None
        return
    from accelerate import Accelerator

    accelerator = Accelerator(log_with=list(names), project_dir=str(folder))
    accelerator.init_trackers("lenity", config={key: str(value) for key, value in settings.items()})
    yield lambda row, iteration: accelerator.log(_flat(row), step=iteration)
    for tracker in accelerator.trackers:  # its end_training would part the processes too
        tracker.finish()


def _flat(row: dict[str, Any]) -> dict[str, float]:
    flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
    inner = {key: value for key, value in row.items() if isinstance(value, dict)}
    return flat | {f"{key}/{name}": value for key, values in inner.items() for name, value in values.items()}
