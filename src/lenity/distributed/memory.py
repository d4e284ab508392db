"""What to do when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

from lenity.errors import ResourceError


@contextmanager
def needed(field: str, size: int) -> Iterator[None]:
    """Turns a lack of memory into an error that says which ``field``, now ``size``, to lower.

    Raises:
        ResourceError: the memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not ran_out(error):
            raise
        raise ResourceError(
            f"the memory ran out with {field} {size} ({str(error).splitlines()[0]}). What was saved before is whole.",
            f"Lower {field} and go on with --resume --allow-changes.",
        ) from error


def ran_out(error: Exception) -> bool:
    """Whether an error of torch or Python is for want of memory, on any device."""
    return isinstance(error, MemoryError) or should_reduce_batch_size(error)


def free() -> None:
    """Give back what the failed attempt held."""
    clear_device_cache(garbage_collection=True)
