"""The prompts of an iteration, a function of the iteration alone, so that a resumed run continues with the same prompts."""

from __future__ import annotations

from lenity.distributed.seeds import derived


def batch_at(prompts: int, iteration: int, size: int, seed: int) -> list[int]:
    """The positions of the ``size`` prompts of ``iteration``; each epoch over all prompts is a new permutation.

    >>> sorted(batch_at(4, 0, 2, seed=0) + batch_at(4, 1, 2, seed=0))
    [0, 1, 2, 3]
    """
    import numpy as np

    chosen: list[int] = []
    position = iteration * size
    while len(chosen) < size:
        epoch, start = divmod(position, prompts)
        order = np.random.default_rng(derived(seed, "order", epoch)).permutation(prompts)
        chosen += [int(i) for i in order[start : start + size - len(chosen)]]
        position = iteration * size + len(chosen)
    return chosen
