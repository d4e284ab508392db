"""``lenity sweep``: one configuration, several methods and weights."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("config", type=click.Path())
@click.option("--methods", default="plc,linear", show_default=True, help="Methods, separated by commas.")
@click.option(
    "--points",
    default="corners,centre",
    show_default=True,
    help="corners, centre, or objectives joined by '+'; separated by commas.",
)
@click.option("--seeds", default=None, help="Seeds, separated by commas; default: the configuration's.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at once.")
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Sweep folder; finished runs in it are kept."
)
@click.option("--dry-run", is_flag=True, help="Print the runs and stop.")
@click.pass_context
def command(  # noqa: PLR0917 - click passes by name
    context: click.Context,
    config: str,
    methods: str,
    points: str,
    seeds: str | None,
    jobs: int,
    output: Path,
    dry_run: bool,
) -> None:
    """Align at several weights with several methods, then evaluate every run.

    Every field of the configuration is overridden as --section.field value.
    """
    from rich.console import Console

    from lenity.config.load import load
    from lenity.config.run import RunConfig
    from lenity.pareto import weights
    from lenity.sweep.plan import plan
    from lenity.sweep.run import run_sweep

    base = load(RunConfig, config, context.args)
    where = weights.points(list(base.rewards), points.split(","))
    chosen = None if seeds is None else [int(seed) for seed in seeds.split(",")]
    configs = plan(base, methods.split(","), where, output, chosen)
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
