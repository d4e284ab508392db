"""Worker processes that run one task at a time. If one dies, only its task fails; no worker outlives the process that started it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from lenity.sweep.executors import Answer, attempt

PATIENCE = 5.0  # seconds that a worker has to end before it is killed


class Workers:
    """An executor with up to ``count`` processes, which are started when tasks are submitted; each calls ``prepare`` first.

    Leaving the context terminates the processes at once.
    """

    def __init__(self, count: int, prepare: Callable[[], None]) -> None:
        self._count, self._prepare = count, prepare
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle worker ends on this
            if worker.task is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.join()

    @property
    def room(self) -> int:
        """The number of tasks that can run at once."""
        return self._count

    @property
    def free(self) -> int:
        """The number of further tasks that can start now."""
        return self._count - sum(worker.task is not None for worker in self._workers)

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        return self.free < self._count

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Start ``function(*arguments)`` in a free worker."""
        self._workers = [worker for worker in self._workers if worker.task or worker.process.is_alive()]
        worker = next((worker for worker in self._workers if worker.task is None), None)
        if worker is None:
            with _uninterrupted():  # an interrupt during the start would leave a process that nothing ends
                worker = _Worker(self._prepare)
                self._workers.append(worker)
        worker.task, worker.since = task, time.perf_counter()
        with contextlib.suppress(OSError):  # the worker has just died, which wait() reports
            worker.pipe.send((function, arguments))

    def wait(self, timeout: float) -> list[Answer]:
        """The results of the tasks that have ended; waits up to ``timeout`` seconds for the first."""
        busy = {worker.pipe: worker for worker in self._workers if worker.task is not None}
        ended = wait(list(busy), timeout) if busy else []
        return [self._answer(worker) for pipe, worker in busy.items() if pipe in ended]

    def _answer(self, worker: _Worker) -> Answer:
        task, worker.task = str(worker.task), None
        error: str | None
        try:
            error, lost = worker.pipe.recv(), False
        except (EOFError, OSError):
            self._workers.remove(worker)
            worker.join()
            error, lost = f"the worker process ended: {_why(worker.process.exitcode)}.", True
        return Answer(task, time.perf_counter() - worker.since, error, lost)


class _Worker:
    """One worker process, and the pipe to it."""

    def __init__(self, prepare: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, prepare))
        self.process.start()
        other.close()  # so that the end of the process ends the pipe
        self.task: str | None = None
        self.since = 0.0

    def join(self) -> None:
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection[Any, Any], prepare: Callable[[], None]) -> None:
    """Run the calls received through ``pipe`` until it closes; send the error of each, or None."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(attempt(function, arguments))


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """A context that delays SIGINT and SIGTERM until its end; it does nothing outside the main thread, which alone gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    delayed: list[int] = []
    handled = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not None]
    before = {each: signal.signal(each, lambda number, _: delayed.append(number)) for each in handled}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in delayed:
        signal.raise_signal(number)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()  # returns when the parent ends, even if it was killed
        os._exit(1)


def _why(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    return f"{signal.strsignal(-code)}" + (" (the system kills processes when memory runs out)" if code == -9 else "")
