"""``lenity sweep``: one configuration, several methods and weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig

if TYPE_CHECKING:
    from rich.console import Console

    from lenity.library.sweeps import Sweep
    from lenity.sweep.placement import Placement
    from lenity.sweep.record import Outcome


@takes_fields(RunConfig)
@click.argument("config", type=click.Path())
@click.option("--methods", default=None, help="Methods, separated by commas; default: the file's.")
@click.option(
    "--points",
    default=None,
    help="corners, centre, lattice:N (multiples of 1/N), riesz:N (N even directions), or objectives joined by '+'; "
    "separated by commas. Default: the file's, else lattice:10 for two objectives, lattice:3 for three, corners,centre for more.",
)
@click.option("--seeds", default=None, help="Seeds, separated by commas; default: the file's.")
@click.option(
    "--tokens",
    type=click.IntRange(min=1),
    default=None,
    help="Generated tokens a method and seed may take for all points; the runs that train share them.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=None, help="Runs at once; default: 1, on a cluster as many as fit."
)
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Sweep folder; what is done in it is kept."
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Runs that were begun with other settings go on with these; see their notes.log.",
)
@click.option(
    "--executor",
    type=click.Choice(["local", "ray", "slurm"]),
    default="local",
    show_default=True,
    help="local: processes of this machine. ray: a Ray cluster. slurm: write job arrays, and collect what earlier ones did.",
)
@click.option(
    "--address",
    default=None,
    help="Ray cluster, host:port or auto; default: RAY_ADDRESS, else a Ray of this machine alone, for this sweep.",
)
@click.option(
    "--cpus-per-run",
    "cpus",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="CPUs, and so threads, of each run; ray takes parts, such as 0.5. Default: the cores over --jobs, on a cluster 1.",
)
@click.option(
    "--gpus-per-run",
    "gpus",
    type=click.FloatRange(min=0),
    default=None,
    help="GPUs of each run; ray takes parts: 0.5 puts two runs on one. Default: ray 1 where nodes have any, slurm 0.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=None,
    help="Times a run goes on from its last checkpoint after its node or process was lost; its own errors are not retried. "
    "Default: ray 3, local 0.",
)
@click.option("--dry-run", is_flag=True, help="Print the runs, estimate time and disk from a short probe, and stop.")
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

    CONFIG is a run's file, or a sweep's with `run` (a file or fields), `methods`, `points`, `seeds` and `tokens`. Every field
    of the run is overridden as --section.field value; --method.field is for those of the methods that have that field. Interrupted, the same command goes on where it was. Ends with status 1
    where a run failed; the others are finished first.

    Example: lenity sweep toy.yaml --methods plc,soups,torchjd:UPGrad --points lattice:4 --output runs/toy/sweep

    Nodes of a cluster must see the working directory and --output at the same paths. With slurm, submit the scripts by the
    commands that are printed, and when the jobs have ended give the same command again: it collects, and writes jobs for what
    is left. SBATCH_PARTITION, SBATCH_ACCOUNT and SBATCH_TIMELIMIT say the rest to sbatch.

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
    """Carry it out; the exit status."""
    from lenity.config.suggest import command as shell
    from lenity.errors import StoppedError

    try:
        outcomes = sweep.carry_out(
            placement.jobs or 1, placement.threads, allow_changes=allow_changes,
            executor=placement.workers(sweep.output), retries=placement.losses, progress=sweep.settings.run.logging,
        )  # fmt: skip
    except KeyboardInterrupt:
        again = shell(*sys.argv[1:])
        raise StoppedError("interrupted; what was saved is whole.", f"This goes on: {again}", exit_code=130) from None
    return _failures(outcomes, console)


def _write_jobs(sweep: Sweep, placement: Placement, console: Console, *, allow_changes: bool) -> int:
    """Collect what Slurm has done and write the jobs that are left; the exit status."""
    from lenity.sweep.slurm import write_and_collect

    configs = sweep.configs
    found = write_and_collect(configs, sweep.output, placement, allow_changes=allow_changes, made_for=sweep.made_for)
    status = _failures(found.outcomes, console)
    done = len(configs) - found.left
    lines = [f"failed, what all runs share: {found.shared}"] if found.shared else []
    lines += [f"{done} of {len(configs)} runs are done."]
    if found.commands:
        lines += [
            "To submit the rest, from this folder:",
            *found.commands,
            "When these jobs have ended, give this command again.",
        ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return status or int(found.shared is not None)


def _failures(outcomes: Sequence[Outcome], console: Console) -> int:
    """Name the runs that failed; the exit status."""
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        console.print(f"failed {outcome.run}: {outcome.error}", markup=False, highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _estimate(configs: Sequence[RunConfig], output: Path, jobs: int, console: Console) -> None:
    """Say what the runs will take."""
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
        "true to a factor of about two.",
        highlight=False,
        soft_wrap=True,
    )
