"""SIGINT and SIGTERM as a request to stop: the current iteration or step is finished and saved first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

CODES = {signal.SIGTERM: 0, signal.SIGINT: 130}  # a scheduler's SIGTERM is not a failure


class StopRequest:
    """The signal that was received, if any."""

    came: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of a process that ends because of the signal."""
        return CODES[self.came] if self.came else 0


@contextmanager
def gently(notify: Callable[[str], None], *, enabled: bool, unit: str = "iteration") -> Iterator[StopRequest]:
    """A context with the :class:`StopRequest` that the first signal sets; a second signal has its usual effect.

    Args:
        notify: called with a sentence when the signal is received.
        unit: what is finished before the state is saved, such as "iteration".
        enabled: False leaves the signals' handlers unchanged, as does any thread but the main one.
    """
    request = StopRequest()
    if not enabled or threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {each: handler for each in CODES if (handler := signal.getsignal(each)) is not None}

    def note(number: int, _: FrameType | None) -> None:
        request.came = signal.Signals(number)
        for each, handler in before.items():
            signal.signal(each, handler)
        notify(f"{request.came.name}: finishing the {unit}, then saving. A second signal ends the process at once.")

    for each in before:
        signal.signal(each, note)
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
