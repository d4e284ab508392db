"""PPO's passes over one credited batch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn

from lenity.advantages.normalise import Total
from lenity.aggregation.base import GradientRule, Rule
from lenity.batch import Credited, pieces
from lenity.config.sections import PPO
from lenity.update.gradients import compared_parameters, jacobian, objective_losses
from lenity.update.ppo import policy_loss, value_loss


@dataclass(frozen=True)
class Update:
    """Epochs of mini-batches, with accumulation; every response token of an optimizer step weighs the same.

    Args:
        accelerator: of accelerate; one process is the special case.
        module: the prepared actor-critic.
        optimizer: prepared.
        schedule: of the learning rate, a step an optimizer step.
        settings: epochs, sizes, clips.
        max_grad_norm: gradient clipping.
        total: sums a tensor over processes.
    """

    accelerator: Any
    module: Any
    optimizer: Any
    schedule: Any
    settings: PPO
    max_grad_norm: float
    total: Total

    def __call__(
        self, batch: Credited, seed: Callable[[int], None], rule: Rule | None = None, weights: Tensor | None = None
    ) -> dict[str, Any]:
        """Train on ``batch``; means over optimizer steps, and what the passes cost.

        Args:
            batch: credited.
            seed: ``seed(epoch)`` sets the random state of each pass.
            rule: needed where it combines gradients; advantages are combined already.
            weights: (K,), for such a rule.
        """
        adapter_dropout_only(self.module)
        sums: dict[str, Tensor] = {}
        steps = 0
        for epoch in range(self.settings.epochs):
            seed(epoch)
            order = torch.randperm(len(batch)).to(batch.response_mask.device)
            for window in pieces(order, self.settings.mini_batch_size * self.settings.accumulation):
                parts = [batch.select(rows) for rows in pieces(window, self.settings.mini_batch_size)]
                stats = self._step(parts, rule, weights)
                sums = _added(sums, {name: value.detach().cpu() for name, value in stats.items()})
                steps += 1
        counted = {name: int(sums.pop(name)) for name in ("skipped_mini_batches", "forward_passes", "backward_passes")}
        seconds = {"rule_seconds": round(float(sums.pop("rule_seconds")), 4)}
        means = {name: (self.total(value.to(batch.raw.device)) / steps).tolist() for name, value in sums.items()}
        return means | counted | seconds

    def _step(self, parts: list[Credited], rule: Rule | None, weights: Tensor | None) -> dict[str, Tensor]:
        """One optimizer step on the mini-batches of ``parts``; sums over them."""
        tokens = self.total(torch.stack([part.response_mask.sum() for part in parts]).sum())
        combination, stats = self._combine(parts, tokens, rule, weights)
        critic = self.settings.value_coefficient if rule is None or rule.group == 1 else 0.0
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.module):
                stats = _added(stats, self._backward(part, tokens, combination, critic))
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.max_grad_norm)
        if norm is not None and not torch.isfinite(torch.as_tensor(norm)):
            self.optimizer.zero_grad()  # a broken gradient must not reach the weights
            stats["skipped_mini_batches"] = stats["skipped_mini_batches"] + 1
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return stats

    def _combine(
        self, parts: list[Credited], tokens: Tensor, rule: Rule | None, weights: Tensor | None
    ) -> tuple[Tensor | None, dict[str, Tensor]]:
        """What a gradient rule makes of the step's gradients: (K,), or None where advantages are combined already."""
        if not isinstance(rule, GradientRule) or weights is None:
            return None, {"rule_seconds": torch.zeros(())}
        start = time.perf_counter()
        module = self.accelerator.unwrap_model(self.module)
        parameters = compared_parameters(module.policy, rule)

        def losses(outputs: Any, part: Credited) -> Tensor | None:
            exploded = self._exploded(outputs.logprobs.detach(), part)
            return None if exploded else objective_losses(outputs, part, self.settings.clip, tokens)

        found = self.total(jacobian(module, parts, parameters, losses))
        broken = not bool(found.isfinite().all())
        combination = torch.full_like(weights, float("nan")) if broken else rule.combination(found, weights)
        combination = broadcast(combination)  # some rules draw at random
        objectives = len(weights)
        return combination, {
            "combination": combination.nan_to_num() / self.accelerator.num_processes,
            "rule_seconds": torch.tensor(time.perf_counter() - start),
            "forward_passes": torch.tensor(len(parts)),
            "backward_passes": torch.tensor(len(parts) * objectives),
        }

    def _backward(self, part: Credited, tokens: Tensor, combination: Tensor | None, critic: float) -> dict[str, Tensor]:
        """Accumulate the gradient of one mini-batch, as its share of the step's ``tokens``."""
        outputs = self.module(**part.inputs)
        mask, ppo = part.response_mask, self.settings
        policy, clipped = policy_loss(outputs.logprobs, part.logprobs, part.rectified, mask, ppo.clip, tokens=tokens)
        if combination is not None:
            policy = (combination * objective_losses(outputs, part, ppo.clip, tokens)).sum()
        value, value_clipped = value_loss(
            outputs.values, part.values, part.returns, mask, ppo.value_clip, tokens=tokens
        )
        stats = {
            "policy_loss": policy,
            "value_loss": value,
            "clip_fraction": clipped,
            "value_clip_fraction": value_clipped,
        }
        loss = policy + critic * value
        if bad := self._exploded(outputs.logprobs.detach(), part):
            loss = 0.0 * (outputs.logprobs.sum() + outputs.values.sum())  # every process still joins the reduction
            stats = {name: torch.zeros_like(value) for name, value in stats.items()}
        self.accelerator.backward(loss * self.accelerator.num_processes)  # gradients are averaged over processes
        one = torch.ones((), dtype=torch.long)
        counts = {"skipped_mini_batches": bad * one, "forward_passes": one, "backward_passes": one}
        return {name: value.detach() for name, value in stats.items()} | counts

    def _exploded(self, logprobs: Tensor, part: Credited) -> bool:
        ratio = (logprobs - part.logprobs).where(part.response_mask, 0.0).exp()
        sums = self.total(torch.stack([ratio.where(part.response_mask, 0.0).sum(), part.response_mask.sum()]))
        return not bool(sums[0] / sums[1] <= self.settings.ratio_limit)


def _added(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Tensor]:
    zero = torch.zeros((), dtype=torch.long)
    return {name: first.get(name, zero) + second.get(name, zero) for name in first | second}


def adapter_dropout_only(module: nn.Module) -> None:
    """Adapter dropout on; the base model's dropout stays off, or the ratio would not be 1 before the first step."""
    module.eval()
    for name, part in module.named_modules():
        if "lora_dropout" in name:
            part.train()
