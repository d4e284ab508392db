"""``python -m studies.leniency``: measure, and write the page."""

from __future__ import annotations

from pathlib import Path

import click

from lenity.cli.ending import run

WORLDS, SWEEPS, PAGE = Path("runs/lab/study"), Path("runs/toy/study"), Path("docs/results/leniency.md")
FRESH = 1  # step sizes and candidates were settled on the worlds of seed 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The study of leniency."""


@main.command()
@click.option(
    "--count",
    type=click.IntRange(min=2),
    default=300,
    show_default=True,
    help="Worlds a family and number of objectives.",
)
@click.option("--seed", type=click.IntRange(min=0), default=FRESH, show_default=True, help="Of the worlds.")
@click.option("--families", default=None, help="Separated by commas; default: all.")
@click.option(
    "--output", type=click.Path(path_type=Path), default=WORLDS, show_default=True, help="What is done in it is kept."
)
def worlds(count: int, seed: int, families: str | None, output: Path) -> None:
    """Run every setting in random worlds with exact gradients, on one core."""
    import torch

    from lenity.config.load import listed
    from lenity.console.progress import track
    from studies.leniency.part import measure, parts
    from studies.leniency.settings import settings

    torch.set_num_threads(1)  # the tensors are small
    chosen, wanted = settings(), parts(count, seed, *([listed(families)] if families else []))
    with track("climbing", len(chosen) * len(wanted), unit="settings") as advance:
        for part in wanted:
            measure(part, chosen, output, lambda name: advance(1, name))
    click.echo(output)


@main.command()
@click.option(
    "--worlds",
    "measured",
    type=click.Path(path_type=Path),
    default=WORLDS,
    show_default=True,
    help="Folder of `worlds`.",
)
@click.option(
    "--sweeps", type=click.Path(path_type=Path), default=SWEEPS, show_default=True, help="Folder of the toy sweeps."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=PAGE,
    show_default=True,
    help="The page; figures lie beside it.",
)
def page(measured: Path, sweeps: Path, output: Path) -> None:
    """Write the page from all that has been measured so far."""
    from lenity.console.progress import track
    from studies.leniency.page import steps, write_page

    with track("writing the page", steps(), unit="parts") as advance:
        files = write_page(measured, sweeps, output, lambda name: advance(1, name))
    for file in files:
        click.echo(file)


if __name__ == "__main__":
    run(main)
