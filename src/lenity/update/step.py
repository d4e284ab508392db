"""PPO's passes over one credited batch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lenity.advantages.normalise import Total
from lenity.batch import Credited, pieces
from lenity.config.sections import PPO
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

    def __call__(self, batch: Credited, seed: Callable[[int], None]) -> dict[str, float]:
        """Train on ``batch``; ``seed(epoch)`` sets the random state of each pass. Returns means over optimizer steps."""
        adapter_dropout_only(self.module)
        sums: dict[str, Tensor] = {}
        steps = skipped = 0
        for epoch in range(self.settings.epochs):
            seed(epoch)
            order = torch.randperm(len(batch)).to(batch.response_mask.device)
            for window in pieces(order, self.settings.mini_batch_size * self.settings.accumulation):
                stats, bad = self._step(batch, window)
                steps, skipped = steps + 1, skipped + bad
                sums = {name: sums.get(name, torch.zeros(())) + value.detach().cpu() for name, value in stats.items()}
        names = list(sums)
        means = self.total(torch.stack([sums[name] for name in names]).to(batch.raw.device)) / steps
        return dict(zip(names, means.tolist(), strict=True)) | {"skipped_mini_batches": skipped}

    def _step(self, batch: Credited, window: Tensor) -> tuple[dict[str, Tensor], int]:
        tokens = self.total(batch.response_mask[window].sum())
        stats: dict[str, Tensor] = {}
        skipped = 0
        for rows, last in _with_last(pieces(window, self.settings.mini_batch_size)):
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.module):
                part, bad = self._backward(batch.select(rows), tokens)
            skipped += bad
            stats = {name: stats.get(name, 0) + value for name, value in part.items()}
        norm = self.accelerator.clip_grad_norm_(self.module.parameters(), self.max_grad_norm)
        if norm is not None and not torch.isfinite(torch.as_tensor(norm)):
            self.optimizer.zero_grad()  # a broken gradient must not reach the weights
            skipped += 1
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return stats, skipped

    def _backward(self, part: Credited, tokens: Tensor) -> tuple[dict[str, Tensor], int]:
        """Accumulate the gradient of one mini-batch, as its share of the step's ``tokens``."""
        outputs = self.module(**part.inputs)
        mask, ppo = part.response_mask, self.settings
        policy, clipped = policy_loss(outputs.logprobs, part.logprobs, part.rectified, mask, ppo.clip, tokens=tokens)
        value, value_clipped = value_loss(
            outputs.values, part.values, part.returns, mask, ppo.value_clip, tokens=tokens
        )
        stats = {
            "policy_loss": policy,
            "value_loss": value,
            "clip_fraction": clipped,
            "value_clip_fraction": value_clipped,
        }
        loss = policy + ppo.value_coefficient * value
        if bad := self._exploded(outputs.logprobs.detach(), part):
            loss = 0.0 * (
                outputs.logprobs.sum() + outputs.values.sum()
            )  # every process still takes part in the reduction
            stats = {name: torch.zeros_like(value) for name, value in stats.items()}
        self.accelerator.backward(loss * self.accelerator.num_processes)  # gradients are averaged over processes
        return {name: value.detach() for name, value in stats.items()}, bad

    def _exploded(self, logprobs: Tensor, part: Credited) -> int:
        ratio = (logprobs - part.logprobs).where(part.response_mask, 0.0).exp()
        sums = self.total(torch.stack([ratio.where(part.response_mask, 0.0).sum(), part.response_mask.sum()]))
        return int(not bool(sums[0] / sums[1] <= self.settings.ratio_limit))


def adapter_dropout_only(module: nn.Module) -> None:
    """Adapter dropout on; the base model's dropout stays off, or the ratio would not be 1 before the first step."""
    module.eval()
    for name, part in module.named_modules():
        if "lora_dropout" in name:
            part.train()


def _with_last(parts: list[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    for i, part in enumerate(parts):
        yield part, i == len(parts) - 1
