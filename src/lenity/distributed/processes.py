"""The processes of a run and their collectives. Each process holds the whole batch; only work on rows is sharded, and gathered in order."""

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
    """This process's rank, the number of processes, and this process's device; from :func:`lenity.distributed.launch.init_distributed`.

    Each method but :meth:`shard` is a collective: every process calls it, in the same order, even if its shard is empty.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = CPU

    @property
    def first(self) -> bool:
        """Whether this process has rank 0, which writes files and prints."""
        return self.rank == 0

    def shard(self, rows: int) -> slice:
        """This process's shard of ``rows`` rows, which may be empty."""
        return shard(rows, self.rank, self.count)

    def gather(self, own: T) -> list[T]:
        """The value of ``own`` in every process, by rank (an all-gather)."""
        if self.count == 1:
            return [own]
        by_rank: list[Any] = [None] * self.count
        dist.all_gather_object(by_rank, own)
        return by_rank

    def share(self, items: Sequence[Any], work: Callable[[Sequence[Any]], list[T]]) -> list[T]:
        """The results of ``work`` on all ``items``, in their order; each process works on its shard, and all get all results."""
        own = items[self.shard(len(items))]
        return [result for part in self.gather(work(own) if len(own) else []) for result in part]

    def broadcast_from_first(self, what: Callable[[], T]) -> T:
        """The result of ``what()`` in the first process, broadcast to all; the others do not call it."""
        value = [what() if self.first else None]
        if self.count > 1:
            dist.broadcast_object_list(value, src=0)
        return value[0]  # type: ignore[return-value]

    def total(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over the processes (an all-reduce), bitwise the same in each; in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, asked: bool) -> bool:
        """Whether ``asked`` is true in any process; the same result in all."""
        return any(self.gather(asked))

    def wait(self) -> None:
        """Wait until all processes have called this (a barrier)."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def first_before_others(self) -> Iterator[None]:
        """A context that the first process runs before the others."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A context that turns the failure of a collective into an error that says what to do.

        Raises:
            ProcessError: another process has ended, or the collective timed out.
        """
        try:
            yield
        except RuntimeError as error:
            message = str(error)
            known = isinstance(error, dist.DistError) or any(sign in message for sign in BROKEN_OFF)
            if self.count == 1 or not known:
                raise
            cause = "has been silent for more than tolerance.silence" if SILENT in message else "has ended"
            raise ProcessError(
                f"another of the {self.count} processes of this run {cause}. What was saved before is intact.",
                "Look for the cause in that process's error or the system's log, then start the same command with --resume.",
            ) from error


ALONE = Processes()
