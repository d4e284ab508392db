"""Where a sweep's runs go, and what each may use: the options of ``lenity sweep`` that say so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lenity.errors import ConfigError
from lenity.sweep.executors import Executor

RETRIES = 3  # on a cluster; processes of this machine end by what their run does


@dataclass(frozen=True)
class Placement:
    """Checked when made.

    Args:
        executor: ``local``, ``ray`` or ``slurm``.
        jobs: runs at once.
        cpus: of each run; results repeat exactly where it is the same, wherever the run is.
        gpus: of each run.
        retries: of a run whose process or machine was lost.
        address: of a Ray cluster.

    Raises:
        ConfigError: an option has no meaning with this executor, or a value that it cannot take.
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
            part = value is not None and value != int(value)
            if value is not None and part and (value > 1 or self.executor != "ray"):
                raise ConfigError(
                    f"{option} is {value:g}, with --executor {self.executor}.",
                    "Give a whole number; with ray, also a part of one, such as 0.5.",
                )

    @property
    def threads(self) -> int | None:
        """Of each run; None: this machine's cores, shared by its processes."""
        cpus = self.cpus or (None if self.executor == "local" else 1)
        return None if cpus is None else max(1, int(cpus))

    @property
    def losses(self) -> int:
        """How often a run is tried again."""
        return self.retries if self.retries is not None else 0 if self.executor == "local" else RETRIES

    def workers(self, output: Path) -> Executor | None:
        """What carries out the runs; None: processes of this machine."""
        if self.executor != "ray":
            return None
        from lenity.sweep.ray import RayWorkers

        return RayWorkers(output, self.address, self.cpus or 1.0, self.gpus, self.jobs)


WHY = {
    "--address": "An address is that of a Ray cluster: add --executor ray, or leave it out.",
    "--gpus-per-run": "Processes of this machine use the GPUs that they see: add --executor ray, or set CUDA_VISIBLE_DEVICES.",
    "--retries": "Slurm itself starts the jobs of a lost node again: leave it out.",
}
