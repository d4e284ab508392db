"""The interface of engines, which generate responses.

An engine with its own kernels returns the log-probs that it sampled each token with; the trainer computes its own, and corrects for
the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch

from lenity.data.conversation import Prompt
from lenity.distributed import seeds
from lenity.distributed.processes import CPU, Processes
from lenity.rollout.batch import Rollouts, concatenate
from lenity.rollout.draws import Draws


class Generator(Protocol):
    """An engine, which returns responses with their tokens in the order of the prompts."""

    @property
    def max_new_tokens(self) -> int:
        """The length of the longest response, in tokens."""
        ...

    @property
    def copies(self) -> bool:
        """Whether the engine samples from a copy of the policy, and all processes call it together with equally many prompts."""
        ...

    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """One sampled response per prompt.

        Args:
            prompts: at least one.
            progress: called with the number of new responses.
            draws: uniform random numbers for each response; default: drawn from the current random state.
        """
        ...


def generate(
    generator: Generator,
    prompts: Sequence[Prompt | str],
    processes: Processes,
    progress: Callable[[int], None] | None = None,
) -> Rollouts:
    """The responses to all ``prompts``, on every process and as on a single one; each process generates its shard."""
    draws, rows = Draws.of(len(prompts), generator.max_new_tokens), processes.shard(len(prompts))
    if processes.count == 1:
        return generator.generate(prompts, progress, draws)
    seeds.fork_rng_by_rank(processes.rank)  # for engines that do not use ``draws``
    own = _as_many(generator, prompts, rows, processes) if generator.copies else None
    if not generator.copies and prompts[rows]:
        own = generator.generate(prompts[rows], progress, draws[rows])
    if progress is not None:
        progress(len(prompts) - len(prompts[rows]))
    parts = [part for part in processes.gather(own.to(CPU) if own else None) if part is not None]
    return concatenate(parts).to(processes.device)


def _as_many(
    generator: Generator, prompts: Sequence[Prompt | str], rows: slice, processes: Processes
) -> Rollouts | None:
    """The responses to the prompts of ``rows``, from an engine that every process must call with equally many prompts."""
    count, most = len(prompts[rows]), -(-len(prompts) // processes.count)
    rollouts = generator.generate([*prompts[rows], *prompts[: most - count]])
    return rollouts.select(torch.arange(count, device=rollouts.response_ids.device)) if count else None
