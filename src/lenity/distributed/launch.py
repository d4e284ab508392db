"""Initialisation of the processes that a launcher started, and checks of the launcher's settings."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from lenity.errors import ConfigError

if TYPE_CHECKING:
    from lenity.distributed.processes import Processes

SAID = "lenity/said"  # key in the processes' shared store: how many have asked to print their error


def launched() -> int:
    """The number of processes that a launcher started; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process has rank 0; known before :func:`init_distributed`."""
    return os.environ.get("RANK", "0") == "0"


def init_distributed(silence: float) -> Processes:
    """The process group of this run, once all processes have connected.

    Args:
        silence: timeout of collectives, in seconds.

    Raises:
        ConfigError: see :func:`check`.
    """
    check()
    import torch
    from accelerate import PartialState

    from lenity.distributed.processes import Processes

    if "LOCAL_RANK" not in os.environ:
        return Processes(device=PartialState(cpu=_flag("ACCELERATE_USE_CPU")).device)
    cpu = _flag("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    backend = None if cpu else "cuda:nccl,cpu:gloo"  # collectives of Python objects run on CPUs
    state = PartialState(cpu=cpu, backend=backend, timeout=timedelta(seconds=silence))
    return Processes(state.process_index, state.num_processes, state.device)


def check() -> None:
    """Refuse settings of the launcher that would otherwise be ignored.

    Raises:
        ConfigError: such a setting is present; the message names it and what to use.
    """
    if _flag("ACCELERATE_USE_DEEPSPEED"):
        raise ConfigError(
            "the launcher requests DeepSpeed, whose engine would own the optimizer that gradient rules and checkpoints need.",
            "Use --config_file configs/accelerate/zero2.yaml or zero3.yaml, which shard in the same way with FSDP2.",
        )
    if _flag("ACCELERATE_USE_FSDP") and os.environ.get("FSDP_VERSION", "1") != "2":
        raise ConfigError(
            f"the launcher requests version {os.environ.get('FSDP_VERSION', '1')} of FSDP.",
            "Set fsdp_version: 2, as configs/accelerate/fsdp2.yaml does.",
        )
    if _flag("ACCELERATE_USE_FSDP") and _flag("FSDP_OFFLOAD_PARAMS"):
        raise ConfigError(
            "the launcher requests the offloading of parameters to the CPU.", "Set fsdp_offload_params: false."
        )
    if (precision := os.environ.get("ACCELERATE_MIXED_PRECISION", "no")) != "no":
        raise ConfigError(
            f"the launcher requests mixed precision '{precision}'.",
            "Set mixed_precision: no in the launcher's configuration, and policy.dtype in the run's.",
        )


def reshards() -> bool | None:
    """Whether layers are sharded again after each forward pass; None if the model is not sharded."""
    if not _flag("ACCELERATE_USE_FSDP") or launched() == 1:
        return None
    return _flag("FSDP_RESHARD_AFTER_FORWARD", "true")


def speaks() -> bool:
    """Whether this process prints the error that it ends with: of several only the first to call this, which is closest to the cause."""
    if launched() == 1:
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_initialized():
        return leads()  # all processes read the same configuration and so fail alike
    try:
        return bool(torch.distributed.distributed_c10d._get_default_store().add(SAID, 1) == 1)
    except RuntimeError:  # the process that hosts the store has ended
        return True


def _flag(name: str, default: str = "false") -> bool:
    return os.environ.get(name, default).lower() in {"1", "true", "yes"}
