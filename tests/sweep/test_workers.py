"""Worker processes: answers, errors, death."""

from __future__ import annotations

import os
import signal
import time

import pytest

from lenity.config.load import read_yaml
from lenity.sweep import workers as module
from lenity.sweep.workers import Workers


def answers(workers, count):
    found = {}
    while len(found) < count:
        found |= {answer.task: answer for answer in workers.wait(10)}
    return found


def test_one_that_dies_fails_its_task_alone():
    with Workers(2, int) as workers:
        workers.submit("exits", os._exit, 3)
        workers.submit("sleeps", time.sleep, 0.2)
        assert workers.busy and not workers.free
        found = answers(workers, 2)
        assert "exit status 3" in found["exits"].error
        assert found["sleeps"].error is None and found["sleeps"].seconds >= 0.2
        workers.submit("wrong", read_yaml, "nowhere.yaml")
        workers.submit("broken", int, "one")
        found = answers(workers, 2)
        assert "nowhere.yaml' not found" in found["wrong"].error and "Traceback" not in found["wrong"].error
        assert found["broken"].error.startswith("Traceback") and not workers.busy


def test_leaving_ends_what_is_running():
    start = time.monotonic()
    with Workers(1, int) as workers:
        workers.submit("long", time.sleep, 60)
        process = workers._workers[0].process
    assert time.monotonic() - start < 10 and process.exitcode is not None


def test_an_interrupt_waits_until_the_worker_is_known(monkeypatch):
    """Else nobody would end it, and it would complain of the half a message it was sent."""
    started = []

    class Interrupted(module._Worker):
        def __init__(self, prepare):
            signal.raise_signal(signal.SIGINT)
            super().__init__(prepare)
            started.append(self.process)

    monkeypatch.setattr(module, "_Worker", Interrupted)
    with pytest.raises(KeyboardInterrupt), Workers(1, int) as workers:
        workers.submit("long", time.sleep, 60)
    assert len(started) == 1 and started[0].exitcode is not None
