"""What generates responses; the trainer knows no more of it than this.

An engine that computes in its own way says with which log-probs it drew each token; the trainer takes its own, and corrects for the gap.
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
    """Prompts in, responses with their tokens out, in the same order."""

    @property
    def max_new_tokens(self) -> int:
        """Of the longest response."""
        ...

    @property
    def copies(self) -> bool:
        """Whether it samples from a copy, for which all processes ask together and alike; else it runs the policy itself."""
        ...

    def generate(
        self, prompts: Sequence[Prompt | str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
    ) -> Rollouts:
        """Sample one response a prompt.

        Args:
            prompts: at least one.
            progress: called with the number of new responses.
            draws: the chance of each response; default: from the random state.
        """
        ...


def generate(
    generator: Generator,
    prompts: Sequence[Prompt | str],
    processes: Processes,
    progress: Callable[[int], None] | None = None,
) -> Rollouts:
    """Each process answers its portion of ``prompts``; all get all responses, as one process would give them."""
    draws, rows = Draws.of(len(prompts), generator.max_new_tokens), processes.shard(len(prompts))
    if processes.count == 1:
        return generator.generate(prompts, progress, draws)
    seeds.fork_rng_by_rank(processes.rank)  # for an engine with random numbers of its own
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
    """The responses to the prompts of ``rows``, where every process has to ask for as many."""
    count, most = len(prompts[rows]), -(-len(prompts) // processes.count)
    found = generator.generate([*prompts[rows], *prompts[: most - count]])
    return found.select(torch.arange(count, device=found.response_ids.device)) if count else None
