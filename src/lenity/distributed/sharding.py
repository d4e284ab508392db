"""FSDP2: each process keeps a part of the frozen weights. What is trained (adapter, critic heads) stays whole on every process.

The frozen weights are nearly all of a model; the gradients of the rest are summed by :mod:`lenity.update.gradients` under any sharding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from lenity.distributed import launch
from lenity.errors import ModelError


def shard(module: Any, device: torch.device, *, again: bool) -> None:
    """Shard ``module``'s frozen weights in place, a decoder layer at a time.

    Args:
        module: an actor-critic; every pass of it is then a meeting of all processes.
        device: of this process, to which each layer goes by itself.
        again: after the forward pass too (ZeRO-3); otherwise a layer's weights stay until the backward pass (as ZeRO-2 would).

    Raises:
        ModelError: the model does not name its decoder layers.
    """
    trained = {parameter for parameter in module.parameters() if parameter.requires_grad}
    names = {name for part in module.modules() for name in getattr(part, "_no_split_modules", None) or ()}
    layers = [part for part in module.modules() if type(part).__name__ in names]
    if not layers:
        raise ModelError(
            f"{type(module.policy.get_base_model()).__name__} does not name its layers, so it cannot be sharded.",
            "Use configs/accelerate/ddp.yaml, where each process holds the whole model.",
        )
    for parameter in trained:
        parameter.data = parameter.data.to(device)
    for layer in layers:
        fully_shard(layer, ignored_params=trained, reshard_after_forward=again)
    fully_shard(module, ignored_params=trained, reshard_after_forward=False)
    token = torch.zeros(1, 1, dtype=torch.long, device=device)
    with torch.no_grad():  # the parts learn what is their whole by a first pass of it
        module(token, token == 0, token, token == 0)
    module.reshard()


def kept(parameter: nn.Parameter) -> int:
    """How many of a parameter's numbers this process keeps."""
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return own.numel()


@contextmanager
def unsharded(module: nn.Module) -> Iterator[None]:
    """Inside, each process has all weights and may run parts of ``module``, or nothing, on its own."""
    sharded = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in sharded:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    yield
    for part in sharded:
        part.reshard()
        part.set_reshard_after_forward(part is not module and bool(launch.reshards()), recurse=False)
