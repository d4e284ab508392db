"""Errors for lack of memory: recognised on any device, and turned into an error that names the field to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from lenity.errors import ResourceError


@contextmanager
def needed(field: str, size: int) -> Iterator[None]:
    """A context that turns an out-of-memory error into one that names the ``field``, with the value ``size``, to lower.

    Raises:
        ResourceError: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        raise ResourceError(
            f"memory ran out with {field} {size} ({str(error).splitlines()[0]}). What was saved before is intact.",
            f"Lower {field} and resume with --resume --allow-changes.",
        ) from error


def ran_out(error: Exception) -> bool:
    """Whether ``error``, raised by torch or Python, is an out-of-memory error of any device."""
    return isinstance(error, MemoryError) or should_reduce_batch_size(error)


def free() -> None:
    """Release the memory that the failed attempt still holds: collect garbage, empty the device's cache."""
    clear_device_cache(garbage_collection=True)
