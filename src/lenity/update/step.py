"""The PPO update: epochs of optimizer steps on one batch with advantages."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lenity.config.sections import PPO, Tolerance
from lenity.distributed import seeds
from lenity.distributed.memory import free, ran_out
from lenity.distributed.processes import Processes
from lenity.distributed.shares import chunks, round_robin
from lenity.errors import NumericalError, ResourceError
from lenity.rollout.batch import WithAdvantages
from lenity.rules.base import GradientRule, Rule
from lenity.rules.memory import NOTHING, Memory
from lenity.update.finite import not_finite
from lenity.update.gradients import common_weights, compared_parameters, jacobian, objective_losses, sum_gradients
from lenity.update.ppo import policy_loss, value_loss

T = TypeVar("T")
OWN = ("non_finite_steps", "forward_passes", "backward_passes")  # counted per process, not summed over the processes


@dataclass
class FailureState:
    """The failures of a run so far; checkpoints store it, and a resumed run restores it.

    Args:
        micro_batch: responses per forward pass; halved after each out-of-memory error.
        non_finite_steps: optimizer steps that were skipped because a loss or gradient was not finite.
    """

    micro_batch: int
    non_finite_steps: int = 0

    def restore(self, saved: Mapping[str, int], *, resized: bool) -> None:
        """Take over a checkpoint's state; if ``ppo.mini_batch_size`` was changed since (``resized``), ``micro_batch`` is the new size."""
        self.micro_batch = self.micro_batch if resized else saved["micro_batch"]
        self.non_finite_steps = saved["non_finite_steps"]


@dataclass(frozen=True)
class Update:
    """PPO epochs over mini-batches, with gradient accumulation; every response token of an optimizer step has the same weight.

    An optimizer step takes ``mini_batch_size`` x ``accumulation`` rows of the whole batch, distributed over the processes.
    A mini-batch that does not fit in memory is split, which changes only how many rows are computed at once. A step with a
    non-finite loss or gradient is skipped.

    Args:
        processes: split the rows of each step.
        module: the actor-critic.
        optimizer: the optimizer of the trained parameters.
        schedule: the learning-rate schedule, advanced once per optimizer step.
        settings: epochs, sizes, clips.
        max_grad_norm: norm to which gradients are clipped.
        failures: the failures so far.
        tolerance: how many failures are allowed.
        notify: called with a message on each failure.
    """

    processes: Processes
    module: Any
    optimizer: Any
    schedule: Any
    settings: PPO
    max_grad_norm: float
    failures: FailureState
    tolerance: Tolerance
    notify: Callable[[str], None] = lambda text: None

    def __call__(
        self,
        batch: WithAdvantages,
        seed: Callable[[int], None],
        rule: Rule | None = None,
        memory: Memory = NOTHING,
    ) -> tuple[dict[str, Any], Memory]:
        """The metrics of training on ``batch``, as means over optimizer steps, with counts of passes; and the rule's memory afterwards.

        Args:
            batch: the batch, with advantages.
            seed: ``seed(epoch)`` sets the random state of each epoch.
            rule: required if it combines gradients; the batch's advantages are combined already.
            memory: the memory of such a rule.

        Raises:
            ConfigError: the rule combines gradients, and rows of one step have different weights.
            NumericalError: more steps were skipped as non-finite than ``tolerance`` allows.
            ResourceError: one response does not fit in memory, or, with several processes, one mini-batch.
        """
        adapter_dropout_only(self.module)
        sums: dict[str, Tensor] = {}
        steps = 0
        for epoch in range(self.settings.epochs):
            seed(epoch)
            order = torch.randperm(len(batch)).to(batch.response_mask.device)
            seeds.fork_rng_by_rank(self.processes.rank)
            for window in chunks(order, self.settings.mini_batch_size * self.settings.accumulation):
                stats, memory = self._step(batch, window, rule, memory)
                sums = _added(sums, {name: value.detach().cpu() for name, value in stats.items()})
                steps += 1
        seconds = {"rule_seconds": round(float(sums.pop("rule_seconds")), 4)}
        own = {name: int(sums.pop(name, 0)) for name in OWN}
        combination = {"combination": (sums.pop("combination") / steps).tolist()} if "combination" in sums else {}
        sums = {name: torch.stack(parts).sum(0) for name, parts in _columns(self.processes.gather(sums)).items()}
        skipped = {"skipped_mini_batches": int(sums.pop("skipped_mini_batches"))}
        means = {name: (value / steps).tolist() for name, value in sums.items()}
        return combination | means | skipped | own | seconds, memory

    @cached_property
    def _parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name; cached, because listing them takes long in a large module."""
        return {name: parameter for name, parameter in self.module.named_parameters() if parameter.requires_grad}

    @property
    def _trained(self) -> list[nn.Parameter]:
        return list(self._parameters.values())

    def _step(
        self, batch: WithAdvantages, rows: Tensor, rule: Rule | None, memory: Memory
    ) -> tuple[dict[str, Tensor], Memory]:
        """The metrics of one optimizer step on ``rows`` of the batch, summed over mini-batches; and the rule's memory afterwards."""
        tokens = batch.response_mask[rows].sum()
        combination, stats = None, {"rule_seconds": torch.zeros(())}
        if isinstance(rule, GradientRule):
            weights = common_weights(batch.weights[rows], rule)
            combination, memory, stats = self._fitting(
                batch, rows, lambda parts: self._combine(parts, tokens, rule, weights, memory)
            )
        more, names = self._fitting(batch, rows, lambda parts: self._gradients(parts, tokens, combination))
        stats = _added(stats, more)
        sum_gradients(self._trained, self.processes)
        norm = torch.nn.utils.clip_grad_norm_(self._trained, self.max_grad_norm)
        if not torch.isfinite(norm):
            self.optimizer.zero_grad()  # a non-finite gradient must not reach the weights
            stats["non_finite_steps"] = torch.ones((), dtype=torch.long)
            self._count_non_finite([name for part in self.processes.gather(names) for name in part])
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return stats, memory

    def _fitting(self, batch: WithAdvantages, rows: Tensor, work: Callable[[list[WithAdvantages]], T]) -> T:
        """The result of ``work`` on mini-batches of ``rows``, repeated with smaller ones after an out-of-memory error.

        The result does not depend on how rows are grouped into mini-batches, so each has rows of similar length.
        """
        rows = batch.by_length(rows)
        random = torch.get_rng_state(), torch.cuda.get_rng_state() if batch.raw.is_cuda else None
        while True:
            try:
                own = round_robin(rows, self.processes.rank, self.processes.count, self.failures.micro_batch)
                return work([batch.select(part) for part in own])
            except Exception as error:
                self._halve(error)
            self.optimizer.zero_grad()
            free()  # outside the handler, whose exception keeps references to the tensors
            torch.set_rng_state(random[0])
            if random[1] is not None:
                torch.cuda.set_rng_state(random[1])

    def _halve(self, error: Exception) -> None:
        """Halve the mini-batch after an out-of-memory error; raise any other error, and ``ResourceError`` if it cannot be halved."""
        size = self.failures.micro_batch
        if not ran_out(error):
            raise error
        why = str(error).splitlines()[0]
        if size == 1 or self.processes.count > 1:  # other processes wait inside the same pass
            raise ResourceError(
                f"the update ran out of memory with ppo.mini_batch_size {size} ({why}). Earlier checkpoints are intact.",
                "Lower ppo.mini_batch_size or rollout.max_new_tokens, and continue with --resume --allow-changes.",
            ) from error
        self.failures.micro_batch = size // 2
        self.notify(
            f"Forward passes of {size} responses ran out of memory ({why}); from here on they have {size // 2}. "
            "Optimizer steps keep their size."
        )

    def _gradients(
        self, parts: list[WithAdvantages], tokens: Tensor, combination: Tensor | None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """The summed metrics of ``parts``, whose gradients are accumulated; and the names of non-finite tensors."""
        stats: dict[str, Tensor] = {}
        names: list[str] = []
        for part in parts:
            more, non_finite = self._backward(part, tokens, combination)
            stats, names = _added(stats, more), names + non_finite
        own = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        names += [f"gradient of {name}" for name in not_finite(own)]
        return stats, list(dict.fromkeys(names))

    def _count_non_finite(self, names: list[str]) -> None:
        self.failures.non_finite_steps += 1
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        if self.failures.non_finite_steps <= self.tolerance.non_finite_steps:
            self.notify(
                f"An optimizer step was skipped because of non-finite values: {shown or 'the norm of all gradients'}."
            )
            return
        raise NumericalError(
            f"{self.failures.non_finite_steps} optimizer steps were not finite, more than tolerance.non_finite_steps allows; "
            f"in the last one: {shown}. None of them changed the weights.",
            "Lower optimizer.learning_rate or check the rewards, and continue with --resume --allow-changes.",
        )

    def _combine(
        self, parts: list[WithAdvantages], tokens: Tensor, rule: GradientRule, weights: Tensor, memory: Memory
    ) -> tuple[Tensor, Memory, dict[str, Tensor]]:
        """The gradient rule's coefficients at the step's ``weights``, (K,), its memory afterwards, and metrics."""
        start = time.perf_counter()
        parameters = compared_parameters(self.module.policy, rule)

        def losses(outputs: Any, part: WithAdvantages) -> Tensor | None:
            exploded = self._exploded(outputs.logprobs.detach(), part)
            return None if exploded else objective_losses(outputs, part, self.settings.clip, tokens)

        gradients = self.processes.total(jacobian(self.module, parts, parameters, losses))
        combination = torch.full_like(weights, float("nan"))
        if gradients.isfinite().all():
            combination, memory = rule.step(gradients, weights, memory)
        combination = self.processes.broadcast_from_first(combination.cpu).to(weights)  # some rules are random
        objectives = len(weights)
        return (
            combination,
            memory,
            {
                "combination": combination.nan_to_num(),
                "rule_seconds": torch.tensor(time.perf_counter() - start),
                "forward_passes": torch.tensor(len(parts)),
                "backward_passes": torch.tensor(len(parts) * objectives),
            },
        )

    def _backward(
        self, part: WithAdvantages, tokens: Tensor, combination: Tensor | None
    ) -> tuple[dict[str, Tensor], list[str]]:
        """The metrics of one mini-batch, whose gradient is accumulated per token of the step; and the names of its non-finite terms."""
        outputs = self.module(**part.inputs)
        mask, ppo = part.response_mask, self.settings
        policy, clipped = policy_loss(
            outputs.logprobs, part.logprobs, part.rectified, mask, ppo.clip, tokens=tokens, importance=part.importance
        )
        if combination is not None:
            policy = (combination * objective_losses(outputs, part, ppo.clip, tokens)).sum()
        value = value_clipped = None
        if part.values is not None and part.returns is not None:
            value, value_clipped = value_loss(
                outputs.values, part.values, part.returns, part.valid_tokens, ppo.value_clip, tokens=tokens
            )
        stats = _present(policy_loss=policy, value_loss=value, clip_fraction=clipped, value_clip_fraction=value_clipped)
        terms = _present(
            **{"log-probs": outputs.logprobs, "values": outputs.values, "policy loss": policy, "value loss": value}
        )
        loss = policy if value is None else policy + ppo.value_coefficient * value
        if exploded := self._exploded(outputs.logprobs.detach(), part):
            outputs_sum = outputs.logprobs.sum() + (0.0 if outputs.values is None else outputs.values.sum())
            loss = 0.0 * outputs_sum  # with a sharded model every process must run the backward pass
        non_finite = [] if bool(loss.isfinite()) else not_finite({name: term.detach() for name, term in terms.items()})
        if exploded or non_finite:
            stats = {name: torch.zeros_like(value) for name, value in stats.items()}
        torch.autograd.backward(loss)
        one = torch.ones((), dtype=torch.long)
        skipped = (exploded and not non_finite) * one
        counts = {"skipped_mini_batches": skipped, "forward_passes": one, "backward_passes": one}
        return {name: value.detach() for name, value in stats.items()} | counts, non_finite

    def _exploded(self, logprobs: Tensor, part: WithAdvantages) -> bool:
        ratio = (logprobs - part.logprobs).where(part.response_mask, 0.0).exp()
        mean = ratio.where(part.response_mask, 0.0).sum() / part.response_mask.sum()
        return bool(mean > self.settings.ratio_limit)  # False for NaN, which the check of the loss reports


def _added(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Tensor]:
    zero = torch.zeros((), dtype=torch.long)
    return {name: first.get(name, zero) + second.get(name, zero) for name in first | second}


def _present(**tensors: Tensor | None) -> dict[str, Tensor]:
    """The tensors that are not None: without a critic there are no values."""
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _columns(rows: list[dict[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def adapter_dropout_only(module: nn.Module) -> None:
    """Turn on the adapter's dropout only: the base model's dropout would make the ratio differ from 1 before the first step."""
    module.eval()
    for name, part in module.named_modules():
        if "lora_dropout" in name:
            part.train()
