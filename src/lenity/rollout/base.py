"""What generates responses; the trainer knows no more of it than this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lenity.batch import Rollouts


class Generator(Protocol):
    """Prompts in, responses with their tokens out, in the same order."""

    def generate(self, prompts: Sequence[str]) -> Rollouts:
        """Sample one response a prompt."""
        ...
