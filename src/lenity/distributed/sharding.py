"""FSDP2: each process keeps a shard of the frozen weights. Trained weights (adapter, critic heads) are replicated on every process.

Frozen weights are nearly all of a model; :mod:`lenity.update.gradients` sums the trained weights' gradients under any sharding.
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
    """Shard ``module``'s frozen weights in place, one decoder layer at a time.

    Args:
        module: an actor-critic; each of its passes is a collective of all processes from then on.
        device: device of this process, to which layers are moved one by one.
        again: shard a layer again after its forward pass (ZeRO-3); otherwise it stays unsharded until the backward pass (as in ZeRO-2).

    Raises:
        ModelError: the model does not name its decoder layers (``_no_split_modules``).
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
    with torch.no_grad():  # FSDP finds its root module in the first pass, which must be of the whole module
        module(token, token == 0, token, token == 0)
    module.reshard()


def kept(parameter: nn.Parameter) -> int:
    """The number of elements of ``parameter`` in this process's shard."""
    own = parameter.to_local() if isinstance(parameter, DTensor) else parameter
    return own.numel()


@contextmanager
def unsharded(module: nn.Module) -> Iterator[None]:
    """A context with all weights unsharded, in which each process may run parts of ``module``, or none, on its own."""
    sharded = [part for part in module.modules() if isinstance(part, FSDPModule)]
    for part in sharded:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    yield
    for part in sharded:
        part.reshard()
        part.set_reshard_after_forward(part is not module and bool(launch.reshards()), recurse=False)
