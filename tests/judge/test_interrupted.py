"""A process that ends early, through the real command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from scripted_server import say


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_what_was_answered_before_the_end_is_not_asked_again(folder, serve, ending):
    server = serve(lambda number, request: say("5", delay=0.05))
    command = [sys.executable, "-m", "lenity", "judge", str(folder), "--endpoint", server.url, "--model", "m", "--concurrency", "2"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(server.requests) < 12:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(ending)
    _, errors = process.communicate(timeout=30)
    assert not (folder / "judge.json").exists()
    if ending == signal.SIGINT:
        assert process.returncode == 130 and "Go on with: lenity judge" in errors and "Traceback" not in errors
    before = len(server.requests)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    asked = [json.dumps(request, sort_keys=True) for request in server.requests]
    assert len(set(asked)) == 36
    lost = 2 if ending == signal.SIGKILL else 0  # those that were on their way
    assert len(asked) - 36 <= lost
    kept = json.loads((folder / "judge.json").read_text())["from_cache"]
    assert before - lost <= kept <= before


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(folder, serve):
    server = serve(lambda number, request: say("5", delay=30.0 if number > 4 else 0.0))
    command = [sys.executable, "-m", "lenity", "judge", str(folder), "--endpoint", server.url, "--model", "m", "--concurrency", "2"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(server.requests) < 7:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130 and len(errors.splitlines()) == 2, errors
