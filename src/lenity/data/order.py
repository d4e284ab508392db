"""Which prompts an iteration uses: a function of the iteration alone, so that a resumed run goes on where it was."""

from __future__ import annotations

from lenity.distributed.seeds import derived


def batch_at(prompts: int, iteration: int, size: int, seed: int) -> list[int]:
    """Positions of the ``size`` prompts of ``iteration``: a new permutation each time all have been used.

    >>> sorted(batch_at(4, 0, 2, seed=0) + batch_at(4, 1, 2, seed=0))
    [0, 1, 2, 3]
    """
    import numpy as np

    found: list[int] = []
    position = iteration * size
    while len(found) < size:
        epoch, start = divmod(position, prompts)
        order = np.random.default_rng(derived(seed, "order", epoch)).permutation(prompts)
        found += [int(i) for i in order[start : start + size - len(found)]]
        position = iteration * size + len(found)
    return found
