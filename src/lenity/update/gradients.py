"""The objectives' gradients of one optimizer step, for rules that combine gradients."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lenity.distributed.processes import Processes
from lenity.errors import ConfigError
from lenity.rollout.batch import WithAdvantages
from lenity.rules.base import GradientRule
from lenity.update.ppo import policy_loss


def objective_losses(outputs: Any, part: WithAdvantages, clip: float, tokens: Tensor) -> Float[Tensor, " K"]:
    """PPO's policy loss of each objective on its own advantages, (K,), summed over the part and divided by the step's ``tokens``."""
    losses = [
        policy_loss(
            outputs.logprobs, part.logprobs, column, part.response_mask, clip, tokens=tokens, importance=part.importance
        )[0]
        for column in part.advantages.unbind(-1)
    ]
    return torch.stack(losses)


def common_weights(weights: Float[Tensor, "B K"], rule: GradientRule) -> Float[Tensor, " K"]:
    """The preference weights that all rows of an optimizer step share, (K,), as a gradient rule requires.

    Raises:
        ConfigError: the rows have different weights.
    """
    if bool((weights != weights[0]).any()):
        raise ConfigError(
            f"rule {rule.kind} combines gradients at one weighting per optimizer step, and the rows of this step have several.",
            "Use a rule over advantages, such as plc or linear, or give all rows the same weights.",
        )
    return weights[0]


def jacobian(
    module: Any,
    parts: Sequence[WithAdvantages],
    parameters: Sequence[nn.Parameter],
    losses: Callable[[Any, WithAdvantages], Tensor | None],
) -> Float[Tensor, "K N"]:
    """One gradient per objective over ``parameters``, summed over the mini-batches of a step; each mini-batch takes K backward passes.

    Args:
        module: the actor-critic.
        parts: the mini-batches.
        parameters: N elements in total.
        losses: gives the K losses from the module's outputs on a mini-batch and the mini-batch, or None to skip it.
    """
    size = sum(parameter.numel() for parameter in parameters)
    total = parameters[0].new_zeros(parts[0].advantages.shape[-1], size)
    for part in parts:
        part_losses = losses(module(**part.inputs), part)
        for k, loss in enumerate([] if part_losses is None else part_losses):
            # materialised, because an expert that no token of the mini-batch reached has no gradient
            pieces = torch.autograd.grad(loss, parameters, retain_graph=k < len(total) - 1, materialize_grads=True)
            total[k] += torch.cat([piece.flatten() for piece in pieces])
    return total


@torch.no_grad()
def sum_gradients(parameters: Sequence[nn.Parameter], processes: Processes) -> None:
    """Replace each parameter's gradient by its sum over the processes; one without a gradient in every process keeps None."""
    if processes.count == 1:
        return
    flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    has_gradient = parameters[0].new_tensor([p.grad is not None for p in parameters])
    summed = processes.total(torch.cat([has_gradient, *(gradient.flatten() for gradient in flat)]))
    has_gradient, *pieces = torch.split(summed, [len(flat), *(gradient.numel() for gradient in flat)])
    for parameter, reached, piece in zip(parameters, has_gradient.tolist(), pieces, strict=True):
        parameter.grad = piece.view_as(parameter) if reached else None


def compared_parameters(policy: nn.Module, rule: GradientRule) -> list[nn.Parameter]:
    """The adapter's parameters whose gradients the rule compares: those of the last layer that has any, or all."""
    adapter = [(name, p) for name, p in policy.named_parameters() if p.requires_grad]
    if rule.parameters == "all":
        return [p for _, p in adapter]
    layers = [int(numbers[0]) if (numbers := re.findall(r"\.(\d+)\.", name)) else -1 for name, _ in adapter]
    return [p for (_, p), layer in zip(adapter, layers, strict=True) if layer == max(layers)]
