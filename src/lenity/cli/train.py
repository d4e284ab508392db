"""``lenity train``: one policy at one point of the weights."""

from __future__ import annotations

import click

from lenity.cli.help import fields
from lenity.config.run import RunConfig


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, epilog=fields(RunConfig))
@click.argument("config", type=click.Path())
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder from its newest checkpoint.")
@click.pass_context
def command(context: click.Context, config: str, resume: bool) -> None:
    """Align a policy as the YAML file CONFIG says.

    Example: lenity train configs/toy.yaml --method.gate net --weights '{helpful: 0.7, harmless: 0.3, humorous: 0}'.
    Several GPUs: accelerate launch --module lenity train CONFIG.
    """
    from lenity.config.load import load

    run = load(RunConfig, config, context.args)
    from lenity.terminal import quiet
    from lenity.train import train

    quiet()
    folder = train(run, resume=resume)
    click.echo(f"{folder.adapter}: the adapter. Next: lenity evaluate {folder.path}")
