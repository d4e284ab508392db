"""Several processes on the CPU (gloo), through the real command line: they end as one would."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

import tiny
from faults.same import assert_same, rows
from lenity.config.load import parse
from lenity.errors import CheckpointError
from lenity.evaluation.score import evaluate
from lenity.methods import train
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from scale.launched import launch, start

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "equivalence.py"
SLOW = "import time\ndef slow(prompts, responses):\n    time.sleep(0.1)\n    return [float(len(text)) for text in responses]\n"


@pytest.mark.slow
def test_every_kind_of_rule_ends_where_one_process_does():
    """DDP of two and three, FSDP2 of two, on a batch and last steps that do not divide."""
    spec = importlib.util.spec_from_file_location("equivalence", BENCHMARK)
    equivalence = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(equivalence)
    before = torch.get_num_threads()
    found, good = equivalence.table(["plc", "mgda", "torchjd:PCGrad"], ["DDP, 2", "DDP, 3", "FSDP2, 2"])
    torch.set_num_threads(before)
    assert good and found.count("e-") == 9, found


@pytest.fixture(scope="module")
def config(tiny_model, tmp_path_factory):
    """Six iterations of eleven responses; its file stands in its folder."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "slow.py").write_text(SLOW)
    rewards = {
        "helpful": {"type": "function", "function": f"{folder / 'slow.py'}:slow"},
        "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"},
    }
    changes = {
        "rewards": rewards, "iterations": 6, "checkpoint": {"every": 2}, "rollout": {"batch_size": 11, "max_new_tokens": 6},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 1}, "logging": {"samples": 11, "progress": False},
    }  # fmt: skip
    found = tiny.run_config(tiny_model, folder / "straight", **changes)
    (folder / "run.yaml").write_text(yaml.safe_dump(found.dump(), sort_keys=False))
    return found


@pytest.fixture(scope="module")
def straight(config):
    """A run of two processes that nothing disturbed."""
    folder = Path(config.output).parent
    found = launch("cpu_ddp", 2, "train", "run.yaml", cwd=folder)
    assert found.stdout.count("the adapter. Next: lenity evaluate") == 1 and "Error" not in found.stderr
    return RunFolder(config.output)


@pytest.mark.slow
def test_the_command_line_trains_and_evaluates_as_one_process(config, straight, tmp_path, one_thread):
    one = train(parse(RunConfig, config.dump() | {"output": str(tmp_path / "one")}))
    assert (one.path / "samples.jsonl").read_bytes() == (straight.path / "samples.jsonl").read_bytes()
    assert straight.standardiser() == one.standardiser()
    last = "checkpoints/iteration_000006/weights.safetensors"
    torch.testing.assert_close(load_file(straight.path / last), load_file(one.path / last), rtol=0, atol=1e-6)
    for ours, theirs in zip(rows(straight), rows(one), strict=True):
        assert ours["reward"] == theirs["reward"] and ours["tokens"] == theirs["tokens"]
        assert ours["kl"] == pytest.approx(theirs["kl"], abs=1e-6)
        assert ours["policy_loss"] == pytest.approx(theirs["policy_loss"], abs=1e-6)
    shutil.copytree(straight.path, tmp_path / "evaluated")
    alone = evaluate(RunFolder(tmp_path / "evaluated"))
    found = launch("cpu_ddp", 3, "evaluate", straight.path, cwd=tmp_path)
    assert found.stdout.count("12 prompts") == 1
    shared = pd.read_parquet(straight.path / "evaluation.parquet")
    pd.testing.assert_frame_equal(shared.drop(columns="kl"), alone.drop(columns="kl"))
    assert shared["kl"].tolist() == pytest.approx(alone["kl"].tolist(), abs=1e-5)


def until_rows(folder, count):
    end = time.monotonic() + 60
    while not (folder / "metrics.jsonl").is_file() or (folder / "metrics.jsonl").read_bytes().count(b"\n") < count:
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_with_a_word_and_it_resumes_to_the_bit(config, straight, tmp_path):
    """The one that writes, so that files are cut short too."""
    shutil.copy(straight.path.parent / "run.yaml", tmp_path)
    processes = start(2, "train", "run.yaml", "--output", "run", cwd=tmp_path)
    until_rows(tmp_path / "run", 3)
    processes[0].send_signal(signal.SIGKILL)
    err = [process.communicate(timeout=60)[1] for process in processes][1]
    assert processes[1].returncode == 2 and "Traceback" not in err
    assert err.splitlines()[-2:] == [
        "error: another of the 2 processes of this run has ended. What was saved before is intact.",
        "remedy: Look for the cause in that process's error or the system's log, then start the same command with --resume.",
    ]
    run = RunFolder(tmp_path / "run")
    assert not run.finished and run.checkpoints.is_dir()
    with pytest.raises(CheckpointError, match="the number of processes was 2 and is 1"):
        train(parse(RunConfig, config.dump() | {"output": str(run.path)}), resume=True)
    launch("cpu_ddp", 2, "train", "run.yaml", "--output", "run", "--resume", cwd=tmp_path)
    assert_same(run, straight)


@pytest.mark.slow
def test_a_process_that_falls_silent_ends_the_run(straight, tmp_path):
    shutil.copy(straight.path.parent / "run.yaml", tmp_path)
    processes = start(2, "train", "run.yaml", "--output", "run", "--tolerance.silence", "3", cwd=tmp_path)
    try:
        until_rows(tmp_path / "run", 2)
        processes[1].send_signal(signal.SIGSTOP)
        err = processes[0].communicate(timeout=40)[1]
    finally:
        for process in processes:
            process.kill()
    assert processes[0].returncode == 2
    assert "error: another of the 2 processes of this run has been silent for more than tolerance.silence." in err


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_once(straight, tmp_path):
    shutil.copy(straight.path.parent / "run.yaml", tmp_path)
    err = launch("cpu_ddp", 2, "train", "run.yaml", cwd=tmp_path, code=1).stderr
    assert [line for line in err.splitlines() if line.startswith(("error: ", "remedy: "))] == [
        f"error: output '{straight.path}' already holds a run.",
        "remedy: Add --resume to continue it, or choose another --output.",
    ]
