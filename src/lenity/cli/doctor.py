"""``lenity doctor``: what will go wrong with a run, before it starts."""

from __future__ import annotations

from pathlib import Path

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig


@takes_fields(RunConfig, write_names)
@click.argument("config", type=click.Path())
@click.option(
    "--prompts", "count", type=click.IntRange(min=4), default=64, show_default=True, help="Responses to measure on."
)
@click.option(
    "--json", "file", type=click.Path(path_type=Path), default=None, help="Write all figures and findings here."
)
@click.option("--strict", is_flag=True, help="Held-out prompts that are trained on are a problem, not a warning.")
@click.pass_context
def command(context: click.Context, config: str, count: int, file: Path | None, strict: bool) -> None:
    """Examine the models, rewards and prompts of the run CONFIG, and say what to change.

    The reference policy answers some prompts; nothing is trained. Ends with status 1 where there is a problem. Every field of
    the run is overridden as --section.field value.

    Example: lenity doctor toy.yaml --prompts 128 --rollout.max_new_tokens 8
    """
    from lenity.config.load import load

    run = load(RunConfig, config, context.args)
    from lenity.console.terminal import quiet
    from lenity.doctor.findings import judge
    from lenity.doctor.measure import measure
    from lenity.doctor.show import show, write

    quiet()
    figures = measure(run, count)
    findings = judge(figures, strict=strict)
    show(figures, findings)
    if file:
        write(figures, findings, file)
    if any(finding.level == "problem" for finding in findings):
        context.exit(1)
