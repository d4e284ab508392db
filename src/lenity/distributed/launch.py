"""How processes that a launcher started find each other, and what of a launcher's settings is refused."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from lenity.errors import ConfigError

if TYPE_CHECKING:
    from lenity.distributed.processes import Processes

SAID = "lenity/said"  # in the store that the processes share: how many have told of an error


def launched() -> int:
    """How many processes a launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this process is the first one, known before they meet."""
    return os.environ.get("RANK", "0") == "0"


def init_distributed(silence: float) -> Processes:
    """All processes of this run, once they have found each other.

    Args:
        silence: seconds that a process may be awaited.

    Raises:
        ConfigError: the launcher is to do what Lenity does itself, or does not do.
    """
    check()
    import torch
    from accelerate import PartialState

    from lenity.distributed.processes import Processes

    if "LOCAL_RANK" not in os.environ:
        return Processes(device=PartialState(cpu=_flag("ACCELERATE_USE_CPU")).device)
    cpu = _flag("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
    backend = None if cpu else "cuda:nccl,cpu:gloo"  # objects travel between CPUs
    state = PartialState(cpu=cpu, backend=backend, timeout=timedelta(seconds=silence))
    return Processes(state.process_index, state.num_processes, state.device)


def check() -> None:
    """Refuse what would otherwise be ignored in silence.

    Raises:
        ConfigError: names the setting of the launcher and what to use.
    """
    if _flag("ACCELERATE_USE_DEEPSPEED"):
        raise ConfigError(
            "the launcher asks for DeepSpeed, whose engine would own the optimizer that the gradient rules and checkpoints need.",
            "Use --config_file configs/accelerate/zero2.yaml or zero3.yaml, the same sharding by FSDP2.",
        )
    if _flag("ACCELERATE_USE_FSDP") and os.environ.get("FSDP_VERSION", "1") != "2":
        raise ConfigError(
            f"the launcher asks for FSDP of version {os.environ.get('FSDP_VERSION', '1')}.",
            "Set fsdp_version: 2, as configs/accelerate/fsdp2.yaml does.",
        )
    if _flag("ACCELERATE_USE_FSDP") and _flag("FSDP_OFFLOAD_PARAMS"):
        raise ConfigError(
            "the launcher asks to keep parameters in the CPU's memory.", "Set fsdp_offload_params: false."
        )
    if (precision := os.environ.get("ACCELERATE_MIXED_PRECISION", "no")) != "no":
        raise ConfigError(
            f"the launcher asks for mixed precision '{precision}'.",
            "Set mixed_precision: no there, and policy.dtype in the run's configuration.",
        )


def reshards() -> bool | None:
    """None where each process holds the whole model; else whether it is sharded again after each forward pass."""
    if not _flag("ACCELERATE_USE_FSDP") or launched() == 1:
        return None
    return _flag("FSDP_RESHARD_AFTER_FORWARD", "true")


def speaks() -> bool:
    """Whether this process tells of the error it ends with: of several the first to ask, which is nearest to the cause."""
    if launched() == 1:
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_initialized():
        return leads()  # all read the same configuration
    try:
        return bool(torch.distributed.distributed_c10d._get_default_store().add(SAID, 1) == 1)
    except RuntimeError:  # the store went with the process that kept it
        return True


def _flag(name: str, default: str = "false") -> bool:
    return os.environ.get(name, default).lower() in {"1", "true", "yes"}
