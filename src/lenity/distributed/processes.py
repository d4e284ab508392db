"""What a run knows of its processes. Every one of them holds the whole batch; only work on rows is shared out, and gathered in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from lenity.distributed.shares import shard
from lenity.errors import ProcessError

T = TypeVar("T")
CPU = torch.device("cpu")
SILENT = "imed out"
BROKEN_OFF = (SILENT, "Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo", "NCCL")


@dataclass(frozen=True)
class Processes:
    """One process of a run, how many there are, and this one's device; :func:`lenity.distributed.launch.init_distributed` makes it.

    Each method but :meth:`shard` is a meeting: every process calls it, in the same order, with work or without.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this one writes and speaks."""
        return self.rank == 0

    def shard(self, rows: int) -> slice:
        """This process's part of ``rows`` rows, maybe none of them."""
        return shard(rows, self.rank, self.count)

    def gather(self, own: T) -> list[T]:
        """What each has, by rank, for all."""
        if self.count == 1:
            return [own]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, own)
        return found

    def share(self, items: Sequence[Any], work: Callable[[Sequence[Any]], list[T]]) -> list[T]:
        """``work`` on each process's portion of ``items``; all get everything, in the order of the items."""
        own = items[self.shard(len(items))]
        return [result for part in self.gather(work(own) if len(own) else []) for result in part]

    def broadcast_from_first(self, what: Callable[[], T]) -> T:
        """What the first finds, for all; the others do not look."""
        found = [what() if self.first else None]
        if self.count > 1:
            dist.broadcast_object_list(found, src=0)
        return found[0]  # type: ignore[return-value]

    def total(self, values: Tensor) -> Tensor:
        """The sum over the processes, the same to the bit in each; in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, asked: bool) -> bool:
        """Whether any has been ``asked`` something, for all to answer alike."""
        return any(self.gather(asked))

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The first process goes through the block, then the others do."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turns a meeting that cannot be held any more into an error that a person can act on.

        Raises:
            ProcessError: another process ended, or was silent for too long.
        """
        try:
            yield
        except RuntimeError as error:
            said = str(error)
            if self.count == 1 or not (isinstance(error, dist.DistError) or any(sign in said for sign in BROKEN_OFF)):
                raise
            became = "has been silent for more than tolerance.silence" if SILENT in said else "has ended"
            raise ProcessError(
                f"another of the {self.count} processes of this run {became}. What was saved before is whole.",
                "See what became of it (its own error, the system's log), then start the same command with --resume.",
            ) from error


ALONE = Processes()
