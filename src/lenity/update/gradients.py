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
    """PPO's policy loss of each objective on its own advantages, as shares of a step's ``tokens``."""
    losses = [
        policy_loss(
            outputs.logprobs, part.logprobs, column, part.response_mask, clip, tokens=tokens, importance=part.importance
        )[0]
        for column in part.advantages.unbind(-1)
    ]
    return torch.stack(losses)


def common_weights(weights: Float[Tensor, "B K"], rule: GradientRule) -> Float[Tensor, " K"]:
    """The one weighting of all rows of an optimizer step, (K,), which a rule over gradients needs.

    Raises:
        ConfigError: rows have unlike weights.
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
    """A gradient an objective over ``parameters``, summed over the mini-batches of a step; K backward passes each.

    Args:
        module: the actor-critic.
        parts: the mini-batches.
        parameters: N numbers in all.
        losses: (K,) of the module's outputs on a mini-batch; None leaves it out.
    """
    size = sum(parameter.numel() for parameter in parameters)
    total = parameters[0].new_zeros(parts[0].advantages.shape[-1], size)
    for part in parts:
        found = losses(module(**part.inputs), part)
        for k, loss in enumerate([] if found is None else found):
            # an expert that no token of the mini-batch reached has no gradient
            pieces = torch.autograd.grad(loss, parameters, retain_graph=k < len(total) - 1, materialize_grads=True)
            total[k] += torch.cat([piece.flatten() for piece in pieces])
    return total


@torch.no_grad()
def sum_gradients(parameters: Sequence[nn.Parameter], processes: Processes) -> None:
    """Each parameter's gradient becomes the sum over the processes; one that has none in any of them keeps none."""
    if processes.count == 1:
        return
    flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    known = parameters[0].new_tensor([p.grad is not None for p in parameters])
    summed = processes.total(torch.cat([known, *(gradient.flatten() for gradient in flat)]))
    known, *pieces = torch.split(summed, [len(flat), *(gradient.numel() for gradient in flat)])
    for parameter, reached, piece in zip(parameters, known.tolist(), pieces, strict=True):
        parameter.grad = piece.view_as(parameter) if reached else None


def compared_parameters(policy: nn.Module, rule: GradientRule) -> list[nn.Parameter]:
    """The adapter's parameters whose gradients the rule compares: those of the last layer that has any, or all."""
    adapter = [(name, p) for name, p in policy.named_parameters() if p.requires_grad]
    if rule.parameters == "all":
        return [p for _, p in adapter]
    layers = [int(found[0]) if (found := re.findall(r"\.(\d+)\.", name)) else -1 for name, _ in adapter]
    return [p for (_, p), layer in zip(adapter, layers, strict=True) if layer == max(layers)]
