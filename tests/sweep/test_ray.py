"""Ray as an executor: what it refuses, shares of CPUs, answers and losses, how it ends. On one real Ray of this machine."""

from __future__ import annotations

import importlib.util
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

import tiny
from lenity.config.load import read_yaml
from lenity.errors import ConfigError, ResourceError
from lenity.storage.lock import locked
from lenity.sweep import ray as module
from lenity.sweep import ray_cluster
from lenity.sweep.ray import RayWorkers, room
from lenity.sweep.ray_node import Place

absent = importlib.util.find_spec("ray") is None  # to import it here would be too soon for its environment
needs_ray = pytest.mark.skipif(absent, reason="ray is not installed: pip install 'lenity[ray]'")


def test_without_the_package_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"needs the package ray.*pip install 'lenity\[ray\]'"), RayWorkers(tmp_path):
        pass


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "ray://head:10001", "127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_at_which_nothing_is_is_refused_at_once(address):
    began = time.monotonic()
    with pytest.raises(ConfigError, match=f"--address.*{address}.*ray start --head"):
        ray_cluster._knock(address, lambda: "127.0.0.1")
    assert time.monotonic() - began < 6


def test_the_address_may_stand_in_the_environment(monkeypatch, tmp_path):
    class Fake:
        class util:  # noqa: N801
            get_node_ip_address = staticmethod(lambda: "127.0.0.1")

    monkeypatch.setenv("RAY_ADDRESS", "localhost:1")
    monkeypatch.setattr(ray_cluster, "_imported", lambda _: Fake)
    with pytest.raises(ConfigError, match="--address 'localhost:1': nothing answers at port 1"), RayWorkers(tmp_path):
        pass


def test_a_ray_that_would_listen_to_the_network_is_not_started(monkeypatch):
    class Fake:
        class util:  # noqa: N801
            get_node_ip_address = staticmethod(lambda: "192.0.2.1")

    monkeypatch.setattr(ray_cluster, "_imported", lambda _: Fake)
    with pytest.raises(ConfigError, match=r"would listen on 192\.0\.2\.1.*RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0"):
        ray_cluster.join(None)


def test_a_part_of_a_gpu_is_never_spread_over_two():
    assert room({"CPU": 16, "GPU": 2}, {"CPU": 1, "GPU": 0.4}) == 4
    assert room({"CPU": 16, "GPU": 3}, {"CPU": 1, "GPU": 2}) == 1
    assert room({"CPU": 1, "GPU": 4}, {"CPU": 0.3, "GPU": 0.1}) == 3
    assert room({"CPU": 4}, {"CPU": 1, "GPU": 0.5}) == 0 and room({"CPU": 4}, {"CPU": 1, "GPU": 0}) == 4


def test_a_node_must_see_the_very_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    with locked(Path("sweep")):
        place = Place.of(Path("sweep"))
        place.enter()
        for wrong in (
            Place(str(tmp_path / "elsewhere"), "sweep", place.holder),
            Place("/nowhere", "sweep", place.holder),
        ):
            with pytest.raises(ConfigError, match=f"node '{socket.gethostname()}' does not see.*every node mounts"):
                wrong.enter()
        with pytest.raises(ConfigError, match="does not see"):
            Place(str(tmp_path), "sweep", {**place.holder, "pid": 1}).enter()


NOTE = """
import os, time
open("pid", "w").write(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']} {os.environ['CUDA_VISIBLE_DEVICES']} {os.getcwd()}")
time.sleep(60)
"""


def answers(workers, count):
    found = {}
    while len(found) < count:
        found |= {answer.task: answer for answer in workers.wait(10)}
    return found


@needs_ray
@pytest.mark.slow
def test_answers_losses_shares_and_the_end(tmp_path, monkeypatch):
    """One Ray for all of it: to start one takes seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')  # which Ray gives out as if it were there
    before = signal.getsignal(signal.SIGTERM), sys.excepthook
    with locked(Path("sweep")), RayWorkers(Path("sweep"), cpus=0.25, gpus=0.5) as workers:
        assert before == (signal.getsignal(signal.SIGTERM), sys.excepthook), "Ray changes neither"
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert workers.room == workers.free == 2 and not workers.busy, "two runs share the GPU"
        listening = [
            c.laddr.ip
            for p in psutil.Process().children(recursive=True)
            for c in p.net_connections()
            if c.status == "LISTEN"
        ]
        assert listening and all(ip.rpartition(":")[2] in ("127.0.0.1", "1") for ip in listening), (
            "nothing that Ray executes comes from outside"
        )
        workers._output = Path("elsewhere")
        with pytest.raises(ConfigError, match="does not see the sweep's folder 'elsewhere'"):
            workers._greet()
        workers._output = Path("sweep")
        for task in (("wrong", read_yaml, "nowhere.yaml"), ("broken", int, "one"), ("exits", os._exit, 3)):
            workers.submit(*task)
        assert workers.free == 0 and workers.busy
        found = answers(workers, 3)
        assert (
            found["wrong"].error.startswith("configuration file 'nowhere.yaml' not found") and not found["wrong"].lost
        )
        assert found["broken"].error.startswith("Traceback") and not found["broken"].lost
        assert found["exits"].lost and "was lost" in found["exits"].error
        (tmp_path / "note.py").write_text(NOTE)
        workers.submit("long", runpy.run_path, "note.py")
        end = time.monotonic() + 60
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        pid, threads, gpu, where = (tmp_path / "pid").read_text().split()
        assert threads == "1" and gpu == "0" and Path(where) == tmp_path
    assert not psutil.pid_exists(int(pid)), "what runs is ended"


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes, one of them dead, as Ray lists them; nothing runs on it."""

    class Fake:
        ended = False
        listed = (
            {"NodeID": "a", "Alive": True, "Resources": {"CPU": 4.0}},
            {"NodeID": "b", "Alive": False, "Resources": {"CPU": 4.0, "GPU": 8.0}},
        )

        def nodes(self):
            return self.listed

        def shutdown(self):
            self.ended = True

    found = Fake()
    monkeypatch.setattr(ray_cluster, "join", lambda address: found)
    monkeypatch.setattr(RayWorkers, "_greet", lambda self: None)
    return found


def test_a_run_that_no_node_has_room_for_is_refused(cluster, tmp_path):
    match = r"no node .* has room for a run of 1 CPUs and 2 GPUs; nodes: \[\{'CPU': 4.0, 'GPU': 0\}\]"
    with pytest.raises(ResourceError, match=match), RayWorkers(tmp_path, gpus=2):
        pass
    assert cluster.ended, "it is left"
    with RayWorkers(tmp_path, gpus=2, jobs=3) as workers:
        assert workers.free == 3, "an autoscaler may bring nodes"


def test_a_cluster_that_has_lost_its_nodes_is_not_waited_for_without_end(cluster, tmp_path, monkeypatch):
    with RayWorkers(tmp_path) as workers:
        assert workers.room == 4
        cluster.listed = cluster.listed[1:]
        assert workers.wait(0) == [] and workers.free == 0
        monkeypatch.setattr(module, "PATIENCE", 0.0)
        with pytest.raises(ResourceError, match="no node of the Ray cluster has had for 0 s room"):
            workers.wait(0.01)


@needs_ray
def test_a_bad_address_through_the_command_line(tmp_path):

    (tmp_path / "base.yaml").write_text(yaml.safe_dump(tiny.run_config("m", "unused").dump(), sort_keys=False))
    command = [sys.executable, "-m", "lenity", "sweep", "base.yaml", "--output", "sweep", "--executor", "ray"]
    found = subprocess.run(
        [*command, "--address", "127.0.0.1:1"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert found.returncode == 2 and "Traceback" not in found.stderr
    assert "--address '127.0.0.1:1': nothing answers at port 1 of " in found.stderr and "remedy: " in found.stderr
