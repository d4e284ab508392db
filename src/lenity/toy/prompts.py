"""Prompts of the toy world, as a reader of the configuration: ``type: toy``."""

from __future__ import annotations

import hashlib
import random
from typing import Literal

from pydantic import Field

from lenity.data.base import DATASETS, PromptSource, ReadReport
from lenity.errors import DataError
from lenity.toy.language import KINDS, all_prompts


@DATASETS.register("toy")
class ToyPrompts(PromptSource):
    """Distinct prompts of the toy world, in equal numbers of its three kinds. The split of a prompt does not depend on the seed.

    >>> len(ToyPrompts(split="test", count=30).read()[0])
    30
    """

    split: Literal["train", "test"] = Field("train", description="train or test, which have no prompt in common")
    count: int = Field(600, ge=1, description="number of prompts")
    seed: int = Field(0, description="random seed of the choice of prompts and of their order")

    def read(self) -> tuple[list[str], ReadReport]:
        """``count`` prompts and a report; raises ``DataError`` if the split has fewer prompts."""
        rng = random.Random(f"toy prompts {self.split} {self.seed}")
        pools = [[prompt for prompt in all_prompts(kind) if _split(prompt) == self.split] for kind in KINDS]
        for pool in pools:
            rng.shuffle(pool)
        most = len(KINDS) * min(map(len, pools))
        if self.count > most:
            raise DataError(
                f"prompts.count is {self.count}, but the toy world's {self.split} split has {most} prompts.",
                "Ask for at most that many.",
            )
        prompts: list[str] = []
        for rows in zip(*pools, strict=False):
            if len(prompts) >= self.count:
                break
            prompts += rng.sample(
                rows, len(rows)
            )  # kinds in random order, so that evenly spaced prompts have all kinds
        prompts = prompts[: self.count]
        return prompts, ReadReport(f"toy ({self.split})", read=len(prompts), kept=len(prompts))


def _split(prompt: str) -> str:
    return "test" if hashlib.sha256(prompt.encode()).digest()[0] < 64 else "train"
