"""SIGTERM and SIGINT: the iteration is finished and saved, and the command that is printed goes on to the same end."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time

import pytest
import yaml

import tiny
from faults.same import assert_same
from lenity.config.load import parse
from lenity.methods import train
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder

SLOW = "import time\ndef slow(prompts, responses):\n    time.sleep(0.3)\n    return [float(len(text)) for text in responses]\n"


def start(folder, *arguments):
    command = [sys.executable, "-m", "lenity", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_rows(folder, count):
    file = folder / "run" / "metrics.jsonl"
    end = time.monotonic() + 60
    while not (file.is_file() and file.read_bytes().count(b"\n") >= count):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def slow(tiny_model, tmp_path):
    """Eight slow iterations, with no checkpoint due before the end."""
    (tmp_path / "slow.py").write_text(SLOW)
    rewards = {
        "helpful": {"type": "function", "function": f"{tmp_path / 'slow.py'}:slow"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    config = tiny.run_config(tiny_model, "run", rewards=rewards, iterations=8, checkpoint={"every": 50})
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config.dump()))
    return config


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_iteration_is_finished_and_the_run_goes_on(slow, tmp_path, how, code, one_thread):
    process = start(tmp_path, "train", "run.yaml", "--logging.samples", "2")
    until_rows(tmp_path, 2)
    process.send_signal(how)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == code, err
    run = RunFolder(tmp_path / "run")
    done = len(run.metrics())
    assert 2 <= done < 8 and not run.finished and "Traceback" not in err
    assert [path.name for path in run.checkpoints.iterdir()] == [f"iteration_{done:06d}"]
    said = f"after iteration {done} of 8; everything is saved.\nGo on with: lenity train run.yaml --logging.samples 2 --resume\n"
    assert err.endswith(said)
    again = start(tmp_path, *shlex.split(err.split("Go on with: lenity ")[1]))
    _, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    straight = train(parse(RunConfig, run.config.dump() | {"output": str(tmp_path / "straight")}))
    assert_same(run, straight)


def test_a_second_signal_ends_at_once_and_what_was_saved_is_whole(slow, tmp_path):
    process = start(tmp_path, "train", "run.yaml", "--checkpoint.every", "1")
    until_rows(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    again = start(tmp_path, "train", "run.yaml", "--checkpoint.every", "1", "--resume")
    assert again.communicate(timeout=60) and again.returncode == 0
    assert RunFolder(tmp_path / "run").finished


def test_a_library_call_keeps_the_handlers_of_its_caller(tiny_model, tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for gently in (False, True):
        train(tiny.run_config(tiny_model, tmp_path / str(gently), iterations=1), gently=gently)
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
