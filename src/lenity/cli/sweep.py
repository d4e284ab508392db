"""``lenity sweep``: runs one configuration with several methods, weights and seeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig

if TYPE_CHECKING:
    from rich.console import Console

    from lenity.library.sweeps import Sweep
    from lenity.sweep.placement import Placement
    from lenity.sweep.record import Outcome


@takes_fields(RunConfig, write_names)
@click.argument("config", type=click.Path())
@click.option("--methods", default=None, help="Methods, separated by commas. Default: those of the file.")
@click.option(
    "--points",
    default=None,
    help="Points of the weights, separated by commas: corners, centre, lattice:N (multiples of 1/N), riesz:N (N evenly spread directions), "
    "or objectives joined by '+'. Default: those of the file, else lattice:10 for two objectives, lattice:3 for three, corners,centre for more.",
)
@click.option("--seeds", default=None, help="Seeds, separated by commas. Default: those of the file.")
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    default=None,
    help="Most generated tokens per method and seed; the runs that train share them evenly.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=None,
    help="Number of runs at the same time. Default: 1; on a cluster as many as fit.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Sweep folder. Runs in it that are finished are not repeated.",
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Resume runs that were begun with other settings; their notes.log lists the changes.",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "ray", "slurm"]),
    default="local",
    show_default=True,
    help="local: processes of this machine. ray: a Ray cluster. slurm: write job arrays, and collect the results of earlier ones.",
)
@click.option(
    "--address",
    default=None,
    help="Ray cluster: host:port, or auto. Default: RAY_ADDRESS; without it, a Ray instance on this machine is started for this sweep.",
)
@click.option(
    "--cpus-per-run",
    "cpus",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="CPUs, and so threads, per run; with ray also fractions, such as 0.5. Default: cores divided by --jobs; on a cluster 1.",
)
@click.option(
    "--gpus-per-run",
    "gpus",
    type=click.FloatRange(min=0),
    default=None,
    help="GPUs per run; with ray also fractions: 0.5 puts two runs on one GPU. Default: with ray 1 if nodes have GPUs, with slurm 0.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=None,
    help="How often a run is resumed after its node or process was lost. Errors of the run itself are not retried. "
    "Default: with ray 3, local 0.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the runs and an estimate of time and disk space from a short probe, and stop.",
)
@click.pass_context
def command(  # noqa: PLR0917 - click passes by name
    context: click.Context,
    config: str,
    methods: str | None,
    points: str | None,
    seeds: str | None,
    tokens: int | None,
    jobs: int | None,
    output: Path,
    allow_changes: bool,
    executor: str,
    address: str | None,
    cpus: float | None,
    gpus: float | None,
    retries: int | None,
    dry_run: bool,
) -> None:
    """Align at several weights with several methods, then evaluate every run.

    CONFIG is the file of a run, or of a sweep with the fields `run` (a file, or fields), `methods`, `points`, `seeds` and
    `tokens`. Every field of the run can be overridden as --section.field value; --method.field sets the field of each method
    that has it. After an interruption, the same command goes on. If a run fails, the others are finished and the exit code is 1.

    Example: lenity sweep toy.yaml --methods plc,soups,torchjd:UPGrad --points lattice:4 --output runs/toy/sweep

    On a cluster, all nodes must have the working directory and --output at the same paths. With slurm, submit the scripts with
    the commands that are printed. When the jobs have ended, repeat the command of the sweep: it collects the results, and writes
    jobs for the runs that are left. Partition, account and time limit are SBATCH_PARTITION, SBATCH_ACCOUNT and SBATCH_TIMELIMIT.

    \b
    lenity sweep mine.yaml --output /shared/all --executor ray --address auto --gpus-per-run 0.5
    lenity sweep mine.yaml --output /shared/all --executor slurm --gpus-per-run 1 --cpus-per-run 8
    """  # noqa: D301 - click reads the backspace
    from rich.console import Console

    from lenity.config.extras import require_trackers
    from lenity.library.sweeps import Sweep
    from lenity.library.trainer import Trainer
    from lenity.sweep.config import load_sweep
    from lenity.sweep.placement import Placement
    from lenity.sweep.table import table

    placement = Placement(executor, jobs, cpus, gpus, retries, address)
    lists = {"methods": methods, "points": points, "seeds": seeds}
    given = {name: text or None for name, text in lists.items()}
    sweep = load_sweep(config, context.args, notify=click.echo, **given, tokens=tokens)
    require_trackers(sweep.run.logging.trackers)
    planned = Sweep(Trainer.from_config(sweep.run, on_command_line=True), sweep, output)
    console = Console()
    console.print(table(planned.configs), highlight=False)
    if dry_run:
        _estimate(planned.configs, output, jobs or 1, console)
        return
    carry_out = _write_jobs if executor == "slurm" else _run
    context.exit(carry_out(planned, placement, console, allow_changes=allow_changes))


def _run(sweep: Sweep, placement: Placement, console: Console, *, allow_changes: bool) -> int:
    """The exit code, after the runs have ended."""
    from lenity.config.suggest import command as shell
    from lenity.errors import StoppedError

    try:
        outcomes = sweep.carry_out(
            placement.jobs or 1, placement.threads, allow_changes=allow_changes,
            executor=placement.workers(sweep.output), retries=placement.losses, progress=sweep.settings.run.logging,
        )  # fmt: skip
    except KeyboardInterrupt:
        again = shell(*sys.argv[1:])
        raise StoppedError(
            "interrupted; everything that was saved is complete.", f"Go on with: {again}", exit_code=130
        ) from None
    return _failures(outcomes, console)


def _write_jobs(sweep: Sweep, placement: Placement, console: Console, *, allow_changes: bool) -> int:
    """The exit code, after the results of Slurm's jobs are collected and jobs for the runs that are left are written."""
    from lenity.sweep.slurm import write_and_collect

    configs = sweep.configs
    found = write_and_collect(configs, sweep.output, placement, allow_changes=allow_changes, made_for=sweep.made_for)
    status = _failures(found.outcomes, console)
    done = len(configs) - found.left
    lines = [f"failed, in what all runs share: {found.shared}"] if found.shared else []
    lines += [f"{done} of {len(configs)} runs are done."]
    if found.commands:
        lines += [
            "To submit the rest, from this folder:",
            *found.commands,
            "When these jobs have ended, repeat this command.",
        ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return status or int(found.shared is not None)


def _failures(outcomes: Sequence[Outcome], console: Console) -> int:
    """The exit code, after the runs that failed are printed."""
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        console.print(f"failed {outcome.run}: {outcome.error}", markup=False, highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _estimate(configs: Sequence[RunConfig], output: Path, jobs: int, console: Console) -> None:
    """Print an estimate of the time and disk space of the runs."""
    import os

    from lenity.console.progress import duration
    from lenity.console.terminal import quiet
    from lenity.errors import LenityError
    from lenity.sweep.estimate import estimate, probe

    quiet()
    try:
        found = estimate(configs, output, probe(configs[0], max(1, (os.cpu_count() or 1) // jobs)), jobs)
    except LenityError as error:
        console.print(f"no estimate: {error}", markup=False, highlight=False)
        return
    parts = {"adapters": found.adapters, "checkpoints": found.checkpoints, "tables": found.tables}
    shares = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in parts.items())
    console.print(
        f"About {duration(found.seconds)} with --jobs {jobs}, and {found.disk / 2**20:,.0f} MiB on disk ({shares}): "
        "accurate to a factor of about two.",
        highlight=False,
        soft_wrap=True,
    )
