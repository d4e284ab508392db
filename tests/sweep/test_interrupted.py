"""A sweep that is ended in the middle, by SIGTERM and by SIGKILL, goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file

import tiny
from lenity.config.load import parse
from lenity.methods import train
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder

SLOW = "import time\ndef slow(prompts, responses):\n    time.sleep(0.2)\n    return [float(len(text)) for text in responses]\n"


def until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


def rows(folder):
    return sum(file.read_bytes().count(b"\n") for file in (folder / "sweep").rglob("metrics.jsonl"))


@pytest.fixture
def started(tiny_model, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    slow = {"type": "function", "function": f"{tmp_path / 'slow.py'}:slow"}
    rewards = {"helpful": slow, "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"}}
    config = tiny.run_config(tiny_model, "unused", rewards=rewards, iterations=4)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))
    command = [sys.executable, "-m", "lenity", "sweep", "base.yaml", "--methods", "plc,soups", "--points", "helpful",
               "--output", "sweep", "--jobs", str(os.cpu_count() or 1)]  # fmt: skip

    def start():
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def interrupt(start, how, ready):
    """Send ``how`` once it has workers and is ``ready()``; what it printed and its status. All its workers end."""
    process = start()
    workers = until(lambda: ready() and psutil.Process(process.pid).children(recursive=True))
    assert process.poll() is None
    process.send_signal(how)
    text = process.communicate(timeout=30)[0]
    until(lambda: not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers), 10)
    return process.returncode, text


def test_it_goes_on_and_ends_as_if_it_had_not_been_killed(started, tmp_path, one_thread):
    code, text = interrupt(started, signal.SIGTERM, lambda: True)
    assert code == 130 and "Go on with: lenity sweep base.yaml" in text and "Traceback" not in text
    code, _ = interrupt(started, signal.SIGKILL, lambda: rows(tmp_path) >= 2)
    assert code == -signal.SIGKILL and 2 <= rows(tmp_path) < 12
    again = started()
    text = again.communicate(timeout=120)[0]
    assert again.returncode == 0, text
    entries = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert len(entries) == 4 and not any(entry["error"] for entry in entries)
    assert "[4/4]" in text

    constants = {"standardisation": {"file": str(tmp_path / "sweep" / "standardisation.json")}}
    for name in ("plc/helpful1", "solo/harmless1"):
        run = RunFolder(tmp_path / "sweep" / "runs" / name)
        assert [row["iteration"] for row in run.metrics()] == [1, 2, 3, 4]
        never_killed = run.config.dump() | constants | {"output": str(tmp_path / "straight" / name)}
        straight = train(parse(RunConfig, never_killed))
        first, second = (load_file(found.adapter / "adapter_model.safetensors") for found in (run, straight))
        assert (run.path / "samples.jsonl").read_text() == (straight.path / "samples.jsonl").read_text()
        unequal = {
            key: float((first[key] - second[key]).abs().max())
            for key in first
            if not torch.equal(first[key], second[key])
        }
        assert not unequal
