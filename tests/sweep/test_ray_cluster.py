"""A sweep on a real Ray cluster of two worker nodes on this machine, one of which is killed while a run is in the middle of it."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest
import yaml

import tiny

absent = importlib.util.find_spec("ray") is None  # to import it here would be too soon for the environment of others
pytestmark = pytest.mark.skipif(absent, reason="ray is not installed: pip install 'lenity[ray]'")

SLOW = "import time\ndef slow(prompts, responses):\n    time.sleep(0.25)\n    return [float(len(text)) for text in responses]\n"
OWN = {"seconds", "tokens_per_second"}  # of metrics: measured anew in each run
KILLED = "plc/helpful1"


def until(holds, seconds=90):
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


@pytest.fixture
def cluster(monkeypatch):
    """A head that runs nothing, and two nodes with room for one run each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"
    )  # so that the sweep looks for it on the loopback address
    before, hook = signal.getsignal(signal.SIGTERM), sys.excepthook
    from ray.cluster_utils import Cluster

    every = {"node_ip_address": "127.0.0.1", "object_store_memory": 80 * 2**20, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **every})
    for _ in range(2):
        found.add_node(num_cpus=1, **every)
    yield found
    found.shutdown()
    signal.signal(signal.SIGTERM, before)
    sys.excepthook = hook


def sweep(folder, output, *more):
    command = [sys.executable, "-m", "lenity", "sweep", "base.yaml", "--methods", "plc,linear", "--points", "helpful,centre",
               "--output", output, "--cpus-per-run", "1", *more]  # fmt: skip
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def kill_the_node_of(run, cluster):
    """Every process of the node on which ``run`` is, once it has a checkpoint; its first row, which has its times, is returned."""
    until(lambda: [path for path in (run / "checkpoints").glob("*") if not path.name.startswith(".")])
    worker = psutil.Process(json.loads((run / ".holder.json").read_text())["pid"])
    above = {process.pid for process in worker.parents()}
    node = next(n for n in cluster.worker_nodes if above & {p.process.pid for p in n.all_processes["raylet"]})
    for process in psutil.Process(node.all_processes["raylet"][0].process.pid).children(recursive=True):
        process.kill()
    cluster.remove_node(node, allow_graceful=False)
    assert not (run / "adapter").exists(), "it was in the middle"
    return (run / "metrics.jsonl").read_text().splitlines()[0]


def content(output):
    """What must be the same: constants, adapters, samples, metrics but for times, evaluations."""
    found = {"constants": (output / "standardisation.json").read_bytes()}
    for file in output.glob("runs/*/*/adapter/*.safetensors"):
        found[str(file.relative_to(output))] = file.read_bytes()
    for file in output.glob("runs/*/*/samples.jsonl"):
        found[str(file.relative_to(output))] = file.read_text()
    for file in output.glob("runs/*/*/metrics.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        found[str(file.relative_to(output))] = [{k: v for k, v in row.items() if k not in OWN} for row in rows]
    return found


@pytest.mark.slow
def test_a_node_is_killed_and_everything_ends_as_on_one_machine(cluster, tiny_model, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    slow = {"type": "function", "function": "slow.py:slow"}  # relative: nodes work in the same folder
    rewards = {"helpful": slow, "harmless": {"type": "function", "function": f"{tiny.__file__}:harmless"}}
    config = tiny.run_config(tiny_model, "unused", rewards=rewards, iterations=6)
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(config.dump(), sort_keys=False))

    run = tmp_path / "ray" / "runs" / KILLED
    with (
        sweep(tmp_path, "local", "--jobs", "2") as local,
        sweep(tmp_path, "ray", "--executor", "ray", "--address", cluster.address) as on_ray,
    ):
        try:
            first = kill_the_node_of(run, cluster)
            said = {process: process.communicate(timeout=120)[0] for process in (local, on_ray)}
        finally:
            for process in (local, on_ray):
                process.kill()
    assert local.returncode == 0, said[local]
    assert on_ray.returncode == 0, said[on_ray]

    assert f"again {KILLED} · its node or its process there was lost" in said[on_ray]
    assert "Tried again, 1 of 3." in (run / "notes.log").read_text()
    assert (run / "metrics.jsonl").read_text().splitlines()[0] == first, "it went on and did not start over"
    assert "Traceback" not in said[on_ray] and "[4/4]" in said[on_ray]
    one, other = content(tmp_path / "local"), content(tmp_path / "ray")
    assert len(one) == 1 + 4 * 3 and one.keys() == other.keys()
    assert not [name for name in one if one[name] != other[name]]
    frames = [pd.read_parquet(tmp_path / name / "evaluation.parquet") for name in ("local", "ray")]
    pd.testing.assert_frame_equal(*frames)
    entries = [json.loads((tmp_path / name / "sweep.json").read_text()) for name in ("local", "ray")]
    assert [[entry["error"] for entry in each] for each in entries] == [[None] * 4] * 2
