"""Two processes on one run folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import tiny
from lenity.errors import CheckpointError, FolderInUseError
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.storage import lock
from lenity.storage.lock import locked
from lenity.sweep.run import run_sweep

HOLD = """
    import sys, time
    from pathlib import Path
    from lenity.storage.lock import locked
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that works in ``run``."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_is_refused_and_told_who_the_first_is(holder, tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, tmp_path / "run")
    who = rf"by process {holder.pid} on host '{socket.gethostname()}' since 20\d\d-"
    with pytest.raises(FolderInUseError, match=who):
        train(config)
    with pytest.raises(FolderInUseError, match=who):
        run_sweep([config], tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [".holder.json", ".lock"], (
        "nothing was touched"
    )


def test_a_killed_process_holds_nothing(holder, tiny_model, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / ".holder.json").is_file(), "what it left says nothing"
    assert train(tiny.run_config(tiny_model, tmp_path / "run")).finished


def test_two_at_the_same_time_through_the_command_line(tiny_model, tmp_path):
    import yaml

    config = tiny.run_config(tiny_model, tmp_path / "run", iterations=6)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config.dump()))
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "lenity", "train", "run.yaml"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[1] for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], said
    assert "error: " in said[codes.index(2)] and (
        "is in use" in said[codes.index(2)] or "already holds a run" in said[codes.index(2)]
    )


def test_a_run_that_is_in_use_is_not_evaluated(tiny_model, tmp_path):
    run = train(tiny.run_config(tiny_model, tmp_path / "run"))
    with locked(run.path), pytest.raises(FolderInUseError, match=f"by process {os.getpid()} "):
        evaluate(run)
    assert not (run.path / "evaluation.parquet").exists() and len(evaluate(run)) == 2 * 2 * 12


def test_the_holder_is_forgotten_at_the_end(tmp_path):
    with locked(tmp_path):
        assert json.loads((tmp_path / ".holder.json").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".holder.json").exists()
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        time.sleep(1 / 0)
    with locked(tmp_path):
        pass


def test_a_holder_that_cannot_be_removed_hides_no_error_and_keeps_no_lock(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        (tmp_path / ".holder.json").unlink()
        (tmp_path / ".holder.json").mkdir()
        time.sleep(1 / 0)
    (tmp_path / ".holder.json").rmdir()
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write to"), locked(tmp_path / "file" / "run"):
        pass


def test_the_lock_of_a_machine_that_is_gone_is_taken_away(holder, tmp_path):
    run = tmp_path / "run"
    lost = lock.holder(run) | {"host": "a-machine-that-is-gone"}
    lock.reclaim(run, lost, patience=0.3)
    with pytest.raises(FolderInUseError), locked(run):
        pytest.fail("another process holds it now")
    (run / ".holder.json").write_text(json.dumps(lost))
    lock.reclaim(run, lost, patience=0.3)
    with locked(run):
        assert lock.holder(run)["pid"] == os.getpid()


def test_the_lock_of_a_live_process_of_this_machine_stays(holder, tmp_path):
    lock.reclaim(tmp_path / "run", lock.holder(tmp_path / "run"), patience=0.3)
    with pytest.raises(FolderInUseError, match=str(holder.pid)), locked(tmp_path / "run"):
        pass


def test_a_process_that_is_ending_is_waited_for(holder, tmp_path):
    threading.Timer(0.5, holder.kill).start()
    began = time.monotonic()
    lock.reclaim(tmp_path / "run", lock.holder(tmp_path / "run"), patience=30)
    assert 0.4 < time.monotonic() - began < 10
    with locked(tmp_path / "run"):
        pass
