"""The division of a batch's rows among processes and mini-batches."""

from __future__ import annotations

from torch import Tensor


def chunks(rows: Tensor, size: int) -> list[Tensor]:
    """``rows`` in order, in chunks of ``size``; the last chunk may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def shard(rows: int, rank: int, count: int) -> slice:
    """The contiguous shard of ``rows`` rows that process ``rank`` of ``count`` works on; sizes differ by at most one.

    >>> [shard(5, rank, 3) for rank in range(3)]
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    size, more = divmod(rows, count)
    start = rank * size + min(rank, more)
    return slice(start, start + size + (rank < more))


def round_robin(rows: Tensor, rank: int, count: int, size: int) -> list[Tensor]:
    """The mini-batches of up to ``size`` rows of process ``rank`` of ``count``, with rows assigned in turn.

    Every process has the same number of mini-batches, of which the last may be empty.

    >>> import torch
    >>> [[part.tolist() for part in round_robin(torch.arange(5), rank, 2, 2)] for rank in range(2)]
    [[[0, 2], [4]], [[1, 3], []]]
    """
    own = rows[rank::count]
    passes = -(-len(rows[::count]) // size)
    return [own[i * size : (i + 1) * size] for i in range(passes)]
