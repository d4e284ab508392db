"""Seeds: each stage of each iteration has its own, so that a resumed run needs no saved random state."""

from __future__ import annotations

from typing import Literal

STAGES = ("setup", "generate", "update", "calibrate", "order", "noise")
Stage = Literal["setup", "generate", "update", "calibrate", "order", "noise"]


def seed(base: int, stage: Stage, *position: int) -> None:
    """Seed torch (all devices), numpy and Python from the run's seed ``base``, the stage and the position in the run.

    The random numbers of a reward function are then reproduced too.
    """
    import random

    import numpy as np
    import torch

    value = derived(base, stage, *position)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002  users' code draws from the global state
    random.seed(value)


def fork_rng_by_rank(rank: int) -> None:
    """Give each process a torch random state of its own, derived from the common one, so that dropout differs; rank 0 keeps it."""
    import torch

    if rank:
        torch.manual_seed(derived(torch.initial_seed(), "update", rank))


def derived(base: int, stage: Stage, *position: int) -> int:
    """A 63-bit seed that differs whenever an argument does.

    >>> derived(0, "generate", 1) == derived(0, "update", 1)
    False
    """
    import numpy as np

    words = np.random.SeedSequence([base, STAGES.index(stage), *position]).generate_state(2, np.uint32)
    return int(words[0]) | int(words[1] & 0x7FFFFFFF) << 32
