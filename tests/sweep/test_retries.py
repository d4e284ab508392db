"""Which tasks are tried again, how often, and what is kept of it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lenity.errors import ConfigError
from lenity.sweep.retries import Retrying
from lenity.sweep.workers import Workers


def die_until(file, times):
    """Ends its process the first ``times`` times, as a lost node does."""
    with Path(file).open("a") as opened:
        opened.write("x")
    if len(Path(file).read_text()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)


def fail(file):
    with Path(file).open("a") as opened:
        opened.write("x")
    raise ConfigError("seed is -1.", "Give another.")


def result(retries, function, *arguments, task="task"):
    """The answer, and what was told before."""
    told = []
    with Workers(1, int) as executor:
        workers = Retrying(executor, retries, lambda name, why: told.append((name, why)))
        workers.submit(task, function, *arguments)
        while not (answers := workers.wait(10)):
            assert workers.busy
        assert not workers.busy and workers.free == 1
    return answers[0], told


def test_a_lost_task_is_tried_again_and_notes_why(tmp_path):
    run, file = tmp_path / "run", str(tmp_path / "tries")
    run.mkdir()
    answer, told = result(2, die_until, file, 2, task=str(run))
    assert answer.error is None and len(Path(file).read_text()) == 3
    assert [name for name, _ in told] == [str(run)] * 2
    assert told[1][1].startswith("the worker process ended: Killed") and told[1][1].endswith("Tried again, 2 of 2.")
    assert [line.split(" ", 1)[1] for line in (run / "notes.log").read_text().splitlines()] == [why for _, why in told]


def test_too_many_losses_are_a_failure(tmp_path):
    answer, told = result(1, die_until, str(tmp_path / "tries"), 9)
    assert "the worker process ended: Killed" in answer.error and len(told) == 1
    assert len((tmp_path / "tries").read_text()) == 2


def test_an_error_of_its_own_is_not_tried_again(tmp_path):
    answer, told = result(5, fail, str(tmp_path / "tries"))
    assert answer.error == "seed is -1. Give another." and not answer.lost and not told
    assert (tmp_path / "tries").read_text() == "x"
