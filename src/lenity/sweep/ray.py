"""An executor on a Ray cluster. Only tasks and results go through Ray; runs read and write files on a file system that all nodes mount."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lenity.errors import ConfigError, ResourceError
from lenity.sweep import ray_cluster, ray_node, tasks
from lenity.sweep.executors import Answer
from lenity.sweep.ray_cluster import first_line
from lenity.sweep.ray_node import Place

PATIENCE = 120.0  # seconds without a node that has room for a run, before the sweep fails
ENDING = 5.0  # seconds that a cancelled run has to end
GREETING = 60.0  # seconds that a node has to start its first process


class RayWorkers:
    """Runs tasks on the nodes of a Ray cluster, each with the CPUs and GPUs reserved for it.

    Args:
        output: the sweep folder.
        address: address of a cluster, ``host:port`` or ``auto``; default: ``RAY_ADDRESS``, else a Ray instance on this machine
            alone, which ends with the sweep.
        cpus: CPUs per task.
        gpus: GPUs per task; default: 1 if any node has one.
        jobs: number of tasks at once; default: as many as fit. With a number, tasks wait for nodes that an autoscaler adds.
    """

    def __init__(
        self, output: Path, address: str | None = None, cpus: float = 1.0, gpus: float | None = None, jobs: int | None = None
    ) -> None:  # fmt: skip
        self._output, self._jobs = output, jobs
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._cpus, self._gpus = cpus, gpus
        self._running: dict[Any, tuple[str, float]] = {}
        self._room = 0

    def __enter__(self) -> Self:
        self._ray = ray_cluster.join(self._address)
        self._roomy = time.monotonic()
        try:
            if self._gpus is None:
                self._gpus = float(any(node.get("GPU") for node in self._resources().values()))
            if not self._survey() and not self._jobs:
                raise self._too_small("has")
            self._greet()
        except BaseException:
            self._ray.shutdown()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ref in self._running:
            self._ray.cancel(ref, force=True)
        if self._running:
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=ENDING)
        self._ray.shutdown()

    @property
    def room(self) -> int:
        """The number of tasks that can run at once."""
        return self._jobs or self._room

    @property
    def free(self) -> int:
        """The number of further tasks that can start now."""
        return max(0, self.room - len(self._running))

    @property
    def busy(self) -> bool:
        """Whether any task is running."""
        return bool(self._running)

    def submit(self, task: str, function: Callable[..., None], *arguments: Any) -> None:
        """Start ``function(*arguments)`` on a node with room for it."""
        threads = max(1, int(self._cpus))
        remote = self._ray.remote(ray_node.serve).options(
            name=task, num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0, scheduling_strategy="SPREAD"
        )
        ref = remote.remote(Place.of(self._output), threads, tasks.environment(threads), function, arguments)
        self._running[ref] = task, time.perf_counter()

    def wait(self, timeout: float) -> list[Answer]:
        """The results of the tasks that have ended; waits up to ``timeout`` seconds for the first.

        Raises:
            ResourceError: no node has had room for a run for two minutes.
        """
        if not self._running:
            time.sleep(timeout)
        ended: list[Any] = []
        if self._running and self._ray.wait(list(self._running), timeout=timeout)[0]:
            ended, _ = self._ray.wait(list(self._running), num_returns=len(self._running), timeout=0)
        if self._survey():
            self._roomy = time.monotonic()
        elif not self._jobs and time.monotonic() - self._roomy > PATIENCE:
            raise self._too_small(f"has had for {PATIENCE:.0f} s")
        return [self._answer(ref) for ref in ended]

    def _answer(self, ref: Any) -> Answer:
        task, since = self._running.pop(ref)
        errors, lost = self._ray.exceptions, False
        try:
            error: str | None = self._ray.get(ref)
        except (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        ) as loss:
            why = ". ".join(first_line(loss).split(". ")[:2]).rstrip(".")  # the rest is advice for Ray's developers
            error, lost = f"its node or its process there was lost: {why}.", True
        except errors.RayError as failure:
            error = str(failure)
        return Answer(task, time.perf_counter() - since, error, lost)

    def _survey(self) -> int:
        """The number of runs that fit the live nodes."""
        need = {"CPU": self._cpus, "GPU": self._gpus or 0.0}
        self._room = sum(room(node, need) for node in self._resources().values())
        return self._room

    def _resources(self) -> dict[str, dict[str, float]]:
        """The resources of each live node, by the node's id."""
        return {node["NodeID"]: node["Resources"] for node in self._ray.nodes() if node["Alive"]}

    def _greet(self) -> None:
        """Check, before any run starts, that every node with room for a run can work in the sweep's folder.

        Raises:
            ConfigError: a node cannot.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        need, place, remote = (
            {"CPU": self._cpus, "GPU": self._gpus or 0.0},
            Place.of(self._output),
            self._ray.remote(ray_node.greet),
        )
        nodes = [node for node, resources in self._resources().items() if room(resources, need)]
        greetings = [
            remote.options(num_cpus=0, max_retries=0, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False))
            for node in nodes
        ]  # fmt: skip
        try:
            answers = self._ray.get([greeting.remote(place) for greeting in greetings], timeout=GREETING)
        except (self._ray.exceptions.RayError, RuntimeError) as error:
            raise ConfigError(
                f"a node of the Ray cluster cannot run Lenity: {first_line(error)}",
                "Install the same Lenity, with its extra 'ray', on every node.",
            ) from error
        if wrong := next(filter(None, answers), None):
            raise ConfigError(*wrong)

    def _too_small(self, has: str) -> ResourceError:
        nodes = [{name: node.get(name, 0) for name in ("CPU", "GPU")} for node in self._resources().values()]
        return ResourceError(
            f"no node of the Ray cluster {has} room for a run of {self._cpus:g} CPUs and {self._gpus or 0:g} GPUs; nodes: {nodes}.",
            "Lower --cpus-per-run or --gpus-per-run, add a node, or give --jobs to wait for one. The same command resumes the sweep.",
        )


def room(resources: Mapping[str, float], need: Mapping[str, float]) -> int:
    """The number of runs that fit a node; a run that needs a fraction of a GPU shares one GPU, and is never split over two.

    >>> room({"CPU": 8, "GPU": 2}, {"CPU": 1, "GPU": 0.4})
    4
    >>> room({"CPU": 8}, {"CPU": 1, "GPU": 0.5})
    0
    """

    def times(name: str, amount: float) -> int:
        have = resources.get(name, 0.0)
        shared = name == "GPU" and amount < 1
        return int(have) * int(1 / amount + 1e-6) if shared else int(have / amount + 1e-6)

    return min(times(name, amount) for name, amount in need.items() if amount)
