"""``lenity demo``: training, evaluation and report in the toy world, in minutes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Output folder. Runs in it that are finished are not repeated.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Random seed; the same seed gives the same table.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Number of runs at the same time; the table does not depend on it.",
)
@click.option(
    "--iterations",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Training iterations of each of the ten runs.",
)
def command(output: Path, seed: int, jobs: int, iterations: int) -> None:
    """Align a tiny model in the toy world with PLC and with linear scalarisation, and compare them.

    Nothing is downloaded. The output folder has the runs, a table and report.html.

    Example: lenity demo --jobs 2
    """
    from lenity.console.terminal import quiet
    from lenity.toy.demo import demo

    quiet()
    demo(output, seed, jobs, iterations)
