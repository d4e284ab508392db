"""``lenity report``: a page from run folders."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--markdown",
    type=click.Path(path_type=Path),
    default=None,
    help="Also write a results page there: figures only, no response text.",
)
@click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Show sample responses; red-team data can be offensive.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def command(folder: Path, markdown: Path | None, samples: bool, show: bool) -> None:
    """Write report.html from the evaluated runs in FOLDER, a run or sweep folder."""
    from rich.console import Console

    from lenity.report import collect, tables
    from lenity.report.comparison import compare
    from lenity.report.markdown import write_markdown
    from lenity.report.page import write_page

    comparison = compare(collect.read_runs(folder), collect.read_best(folder))
    if len(comparison.methods) > 1:
        console = Console()
        console.print(tables.rich(tables.methods(comparison), tables.note(comparison)))
        console.print(tables.rich(tables.rewards(comparison), "Mean raw reward at each weighting, mean over seeds"))
        console.print(tables.rich(tables.costs(comparison), "Cost of a method's front, one seed"))
    file = write_page(folder, samples=samples)
    click.echo(file)
    if markdown is not None:
        click.echo(write_markdown(folder, markdown))
    if show:
        click.launch(file.resolve().as_uri())
