"""``lenity doctor``: checks of a run's models, rewards and prompts, before it starts."""

from __future__ import annotations

from pathlib import Path

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig


@takes_fields(RunConfig, write_names)
@click.argument("config", type=click.Path())
@click.option(
    "--prompts",
    "count",
    type=click.IntRange(min=4),
    default=64,
    show_default=True,
    help="Number of responses of the reference policy that are measured.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path),
    default=None,
    help="File that all measurements and findings are written to, as JSON.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Count held-out prompts that are also training prompts as a problem, not as a warning.",
)
@click.pass_context
def command(context: click.Context, config: str, count: int, file: Path | None, strict: bool) -> None:
    """Check the models, rewards and prompts of the run CONFIG, and say what to change.

    The reference policy answers some prompts, and its rewards are measured; nothing is trained. The exit code is 1 if a
    problem is found. Every field of the run can be overridden as --section.field value.

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
