"""``lenity sweep``: one configuration, several methods and weights."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from lenity.config.run import RunConfig


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
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
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at once.")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Sweep folder; what is done in it is kept."
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Runs that were begun with other settings go on with these; see their notes.log.",
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
    jobs: int,
    output: Path,
    allow_changes: bool,
    dry_run: bool,
) -> None:
    """Align at several weights with several methods, then evaluate every run.

    CONFIG is a run's file, or a sweep's with `run` (a file or fields), `methods`, `points`, `seeds` and `tokens`. Every field
    of the run is overridden as --section.field value. Interrupted, the same command goes on where it was. Ends with status 1
    where a run failed; the others are finished first.

    Example: lenity sweep configs/toy.yaml --methods plc,soups,torchjd:UPGrad --points lattice:4 --output runs/toy/sweep
    """
    from rich.console import Console

    from lenity.config.load import listed
    from lenity.config.sweep import load_sweep
    from lenity.pareto import weights
    from lenity.sweep.plan import plan
    from lenity.sweep.table import table

    lists = {"methods": methods, "points": points, "seeds": seeds}
    given = {name: listed(text) if text else None for name, text in lists.items()}
    sweep = load_sweep(config, context.args, **given, tokens=tokens)
    where = weights.points(list(sweep.run.rewards), sweep.points)
    configs = plan(sweep.run, sweep.methods, where, output, sweep.seeds, tokens=sweep.tokens)
    console = Console()
    console.print(table(configs), highlight=False)
    if dry_run:
        _estimate(configs, output, jobs, console)
        return
    context.exit(_run(configs, output, jobs, console, allow_changes=allow_changes))


def _run(configs: Sequence[RunConfig], output: Path, jobs: int, console: Console, *, allow_changes: bool) -> int:
    """Carry it out; the exit status."""
    from lenity.errors import StoppedError
    from lenity.sweep.run import run_sweep

    try:
        outcomes = run_sweep(configs, output, jobs, allow_changes=allow_changes)
    except KeyboardInterrupt:
        again = shlex.join(["lenity", *sys.argv[1:]])
        raise StoppedError("interrupted; what was saved is whole.", f"This goes on: {again}", exit_code=130) from None
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        console.print(f"failed {outcome.run}: {outcome.error}", markup=False, highlight=False, soft_wrap=True)
    return 1 if failed else 0


def _estimate(configs: Sequence[RunConfig], output: Path, jobs: int, console: Console) -> None:
    """Say what the runs will take."""
    import os

    from lenity.errors import LenityError
    from lenity.summary import duration
    from lenity.sweep.estimate import estimate, probe
    from lenity.terminal import quiet

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
