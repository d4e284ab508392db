"""``lenity report``: a page from run folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lenity.evaluation.protocol import Rule


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
@click.option(
    "--reference",
    type=click.Choice(["fixed", "nadir"]),
    default="fixed",
    show_default=True,
    help="Reference point of the hypervolume: fixed by the protocol, or the lowest mean of any run (the paper's; it rewards a "
    "comparison with bad runs).",
)
@click.option(
    "--figures", default=None, help="Also write every figure as these formats, such as png,pdf, into FOLDER/figures."
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def command(  # noqa: PLR0917 - click passes by name
    folder: Path, markdown: Path | None, samples: bool, reference: Rule, figures: str | None, show: bool
) -> None:
    """Write report.html from the evaluated runs in FOLDER, a run or sweep folder; judge scores in it are shown too."""
    from rich.console import Console

    from lenity.config.load import listed
    from lenity.report import tables
    from lenity.report.evidence import gather
    from lenity.report.figures import save_all
    from lenity.report.markdown import write_markdown
    from lenity.report.page import write_page

    console = Console()
    with console.status("resampling prompts and seeds"):
        evidence = gather(folder, reference)
    for comparison in evidence.comparisons:
        if len(comparison.methods) > 1:
            console.print(tables.rich(tables.methods(comparison), tables.note(comparison)))
    if len(evidence.main.methods) > 1:
        more = ("IGD+", "compliance", "regret")
        console.print(tables.rich(tables.methods(evidence.main, more), f"By {evidence.main.view.name}"))
        console.print(tables.rich(tables.rewards(evidence.main), "Mean raw reward at each weighting, mean over seeds"))
        console.print(tables.rich(tables.costs(evidence.main), f"Cost of a method's front, one seed. {tables.PASSES}"))
    file = write_page(evidence, samples=samples)
    click.echo(file)
    if markdown is not None:
        click.echo(write_markdown(evidence, markdown))
    if figures:
        for saved in save_all(evidence, folder / "figures", tuple(listed(figures))):
            click.echo(saved)
    if show:
        click.launch(file.resolve().as_uri())
