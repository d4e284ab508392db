"""``lenity report``: one page that compares evaluated runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lenity.evaluation.protocol import Rule


@click.command()
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder to write report.html into; default: FOLDER, or the working directory where there are several.",
)
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
    "--figures",
    default=None,
    help="Also write every figure as these formats, such as png,pdf, into figures/ beside report.html.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
def command(  # noqa: PLR0917 - click passes by name
    folders: tuple[Path, ...],
    output: Path | None,
    markdown: Path | None,
    samples: bool,
    reference: Rule,
    figures: str | None,
    show: bool,
) -> None:
    """Write report.html from the evaluated runs in each FOLDER, a run or sweep folder; judge scores in it are shown too.

    Runs of one method that differ in settings are compared under names that say those settings; a run has the name of its
    method.label, where it has one. Runs that a sweep made for other methods alone are compared only where they are named.

    Example: lenity report runs/rate_low runs/rate_high --output runs/rates
    """
    from rich.console import Console

    from lenity.config.load import listed
    from lenity.report import tables
    from lenity.report.coverage import left_out
    from lenity.report.evidence import gather
    from lenity.report.figures import save_all
    from lenity.report.markdown import write_markdown
    from lenity.report.page import write_page
    from lenity.report.tables import CAPTION, presence

    console = Console()
    with console.status("resampling prompts and seeds"):
        evidence = gather(folders, reference, output)
    if len({run.method for run in [*evidence.runs, *evidence.helpers]}) > 1:
        console.print(tables.rich(presence(evidence), CAPTION))
    for comparison in (part for one in evidence.comparisons for part in one.all):
        if len(comparison.methods) > 1:
            console.print(tables.rich(tables.methods(comparison), tables.note(comparison)))
    for comparison in evidence.comparisons:
        if comparison.pairs:
            title = f"Methods that do not have the same weights and seeds, by {comparison.view.name}"
            console.print(tables.rich(tables.pairs(comparison), title))
    if len(evidence.main.methods) > 1:
        more = ("IGD+", "compliance", "regret")
        console.print(tables.rich(tables.methods(evidence.main, more), f"By {evidence.main.view.name}"))
        console.print(tables.rich(tables.rewards(evidence.main), "Mean raw reward at each weighting, mean over seeds"))
        console.print(tables.rich(tables.costs(evidence.main), f"Cost of a method's front, one seed. {tables.PASSES}"))
    for sign in left_out(evidence):
        console.print(f"{sign.what}: {sign.where}. {sign.advice}", markup=False, highlight=False, soft_wrap=True)
    file = write_page(evidence, samples=samples)
    click.echo(file)
    if markdown is not None:
        click.echo(write_markdown(evidence, markdown))
    if figures:
        for saved in save_all(evidence, evidence.folder / "figures", tuple(listed(figures))):
            click.echo(saved)
    if show:
        click.launch(file.resolve().as_uri())
