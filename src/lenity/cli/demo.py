"""``lenity demo``: the whole path in minutes."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("runs/demo"),
    show_default=True,
    help="Folder; finished runs in it are kept.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The same seed gives the same table."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Runs at once; it does not change the table.",
)
@click.option(
    "--iterations", type=click.IntRange(min=1), default=40, show_default=True, help="Of each of the ten runs."
)
def command(output: Path, seed: int, jobs: int, iterations: int) -> None:
    """Align a tiny model in the toy world with PLC and with linear scalarisation, and compare them."""
    from lenity.console.terminal import quiet
    from lenity.toy.demo import demo

    quiet()
    demo(output, seed, jobs, iterations)
