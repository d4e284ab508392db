"""Every stage of every iteration has a random state of its own, so that a resumed run needs none from the past."""

from __future__ import annotations

from typing import Literal

STAGES = ("setup", "generate", "update", "calibrate", "order", "noise")
Stage = Literal["setup", "generate", "update", "calibrate", "order", "noise"]


def seed(base: int, stage: Stage, *position: int) -> None:
    """Set the random states of torch (all devices), numpy and Python from the run's seed, the stage and where in the run it is.

    A reward function that draws at random then repeats too.
    """
    import random

    import numpy as np
    import torch

    value = derived(base, stage, *position)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002  the global state is what other people's code draws from
    random.seed(value)


def fork_rng_by_rank(rank: int) -> None:
    """From the one random state of all processes to one for each, so that dropout differs; the first keeps it as it is."""
    import torch

    if rank:
        torch.manual_seed(derived(torch.initial_seed(), "update", rank))


def derived(base: int, stage: Stage, *position: int) -> int:
    """A 63-bit seed that differs wherever an argument does.

    >>> derived(0, "generate", 1) == derived(0, "update", 1)
    False
    """
    import numpy as np

    words = np.random.SeedSequence([base, STAGES.index(stage), *position]).generate_state(2, np.uint32)
    return int(words[0]) | int(words[1] & 0x7FFFFFFF) << 32
