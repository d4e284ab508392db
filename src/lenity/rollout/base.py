"""What generates responses; the trainer knows no more of it than this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lenity.batch import Rollouts, concatenate
from lenity.processes import CPU, Processes
from lenity.rollout.draws import Draws


class Generator(Protocol):
    """Prompts in, responses with their tokens out, in the same order."""

    @property
    def max_new_tokens(self) -> int:
        """Of the longest response."""
        ...

    def generate(
        self, prompts: Sequence[str], progress: Callable[[int], None] | None = None, draws: Draws | None = None
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
    prompts: Sequence[str],
    processes: Processes,
    progress: Callable[[int], None] | None = None,
) -> Rollouts:
    """Each process answers its portion of ``prompts``; all get all responses, as one process would give them."""
    draws, rows = Draws.of(len(prompts), generator.max_new_tokens), processes.portion(len(prompts))
    own = generator.generate(prompts[rows], progress, draws[rows]) if prompts[rows] else None
    if processes.count == 1 and own is not None:
        return own
    if progress is not None:
        progress(len(prompts) - len(prompts[rows]))
    parts = [part for part in processes.gather(own.to(CPU) if own else None) if part is not None]
    return concatenate(parts).to(processes.device)
