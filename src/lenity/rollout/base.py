"""What generates responses; the trainer knows no more of it than this.

An engine that computes in its own way says with which log-probs it drew each token; the trainer takes its own, and corrects for the gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lenity.batch import Rollouts


class Generator(Protocol):
    """Prompts in, responses with their tokens out, in the same order."""

    def generate(self, prompts: Sequence[str]) -> Rollouts:
        """Sample one response a prompt."""
        ...
