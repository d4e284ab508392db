"""The options of ``lenity sweep`` that set where its runs are executed, and the resources of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lenity.errors import ConfigError
from lenity.sweep.executors import Executor

RETRIES = 3  # default on a cluster; on this machine a process dies because of its own run, which would repeat


@dataclass(frozen=True)
class Placement:
    """The executor of a sweep and the resources of each run; the options are validated when the object is created.

    Args:
        executor: ``local``, ``ray`` or ``slurm``.
        jobs: number of runs at once.
        cpus: CPUs per run; results are reproduced exactly with the same number, on any machine.
        gpus: GPUs per run.
        retries: number of retries of a run whose process or machine was lost.
        address: address of a Ray cluster.

    Raises:
        ConfigError: an option has no meaning with this executor, or its value is not allowed.
    """

    executor: str = "local"
    jobs: int | None = None
    cpus: float | None = None
    gpus: float | None = None
    retries: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        named = {"--address": self.address, "--gpus-per-run": self.gpus, "--retries": self.retries}
        senseless = {"local": ("--address", "--gpus-per-run"), "ray": (), "slurm": ("--address", "--retries")}
        for option in senseless[self.executor]:
            if named[option] is not None:
                raise ConfigError(f"{option} is {named[option]!r}, with --executor {self.executor}.", WHY[option])
        for option, value in {"--cpus-per-run": self.cpus, "--gpus-per-run": self.gpus}.items():
            fractional = value is not None and value != int(value)
            if value is not None and fractional and (value > 1 or self.executor != "ray"):
                raise ConfigError(
                    f"{option} is {value:g}, with --executor {self.executor}.",
                    "Give a whole number; with --executor ray also a fraction below 1, such as 0.5.",
                )

    @property
    def threads(self) -> int | None:
        """The threads per run; None: this machine's cores divided by the number of worker processes."""
        cpus = self.cpus or (None if self.executor == "local" else 1)
        return None if cpus is None else max(1, int(cpus))

    @property
    def losses(self) -> int:
        """The number of retries of a run whose process or machine was lost."""
        return self.retries if self.retries is not None else 0 if self.executor == "local" else RETRIES

    def workers(self, output: Path) -> Executor | None:
        """The executor of the runs; None: worker processes of this machine."""
        if self.executor != "ray":
            return None
        from lenity.sweep.ray import RayWorkers

        return RayWorkers(output, self.address, self.cpus or 1.0, self.gpus, self.jobs)


WHY = {
    "--address": "An address is that of a Ray cluster: add --executor ray, or leave it out.",
    "--gpus-per-run": "Processes of this machine use the GPUs that they see: add --executor ray, or set CUDA_VISIBLE_DEVICES.",
    "--retries": "Slurm itself starts the jobs of a lost node again: leave it out.",
}
