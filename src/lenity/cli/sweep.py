"""``lenity sweep``: one configuration, several methods and weights."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("config", type=click.Path())
@click.option("--methods", default=None, help="Methods, separated by commas; default: the file's.")
@click.option(
    "--points",
    default=None,
    help="corners, centre, lattice:N (multiples of 1/N), or objectives joined by '+'; separated by commas. "
    "Default: the file's, else corners,centre.",
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
    "--output", type=click.Path(path_type=Path), required=True, help="Sweep folder; finished runs in it are kept."
)
@click.option("--dry-run", is_flag=True, help="Print the runs and stop.")
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
    dry_run: bool,
) -> None:
    """Align at several weights with several methods, then evaluate every run.

    CONFIG is a run's file, or a sweep's with `run` (a file or fields), `methods`, `points`, `seeds` and `tokens`. Every field
    of the run is overridden as --section.field value.

    Example: lenity sweep configs/toy.yaml --methods plc,soups,torchjd:UPGrad --points lattice:4 --output runs/toy/sweep
    """
    from rich.console import Console

    from lenity.config.sweep import load_sweep
    from lenity.pareto import weights
    from lenity.sweep.plan import plan
    from lenity.sweep.run import run_sweep

    lists = {"methods": methods, "points": points, "seeds": seeds}
    given = {name: text.split(",") if text else None for name, text in lists.items()}
    sweep = load_sweep(config, context.args, **given, tokens=tokens)
    where = weights.points(list(sweep.run.rewards), sweep.points)
    configs = plan(sweep.run, sweep.methods, where, output, sweep.seeds, tokens=sweep.tokens)
    console = Console()
    for item in configs:
        console.print(item.output, {name: round(weight, 4) for name, weight in item.weights.items()}, highlight=False)
    if dry_run:
        return
    outcomes = run_sweep(configs, output, jobs)
    for failed in (outcome for outcome in outcomes if outcome.error):
        console.print(f"[red]failed[/red] {failed.run}:", failed.error, markup=True)
    if any(outcome.error for outcome in outcomes):
        context.exit(1)
