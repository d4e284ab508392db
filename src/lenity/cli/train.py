"""``lenity train``: one policy at one point of the weights."""

from __future__ import annotations

import sys

import click

from lenity.cli.help import fields
from lenity.cli.spelling import takes_fields
from lenity.config.suggest import command as shell
from lenity.runs.config import RunConfig


@takes_fields(RunConfig, epilog=fields(RunConfig))
@click.argument("config", type=click.Path())
@click.option("--resume", is_flag=True, help="Go on with the run in the output folder from its newest checkpoint.")
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Resume also with other settings than the run was begun with; notes.log keeps which.",
)
@click.pass_context
def command(context: click.Context, config: str, resume: bool, allow_changes: bool) -> None:
    """Align a policy as the YAML file CONFIG says.

    Example: lenity train toy.yaml --method.gate net --weights '{helpful: 0.7, harmless: 0.3, humorous: 0}'.
    Several GPUs: accelerate launch --config_file configs/accelerate/ddp.yaml --module lenity train CONFIG.
    Ctrl-C and SIGTERM end after the iteration in hand; everything is saved, and the command that goes on is printed.
    """
    from lenity.config.load import load
    from lenity.distributed import launch
    from lenity.errors import StoppedError

    run = load(RunConfig, config, context.args)
    from lenity.console.terminal import quiet
    from lenity.library.trainer import Trainer

    quiet()
    try:
        trained = Trainer.from_config(run, on_command_line=True).train(resume, allow_changes=allow_changes, gently=True)
    except StoppedError as stopped:
        again = shell(*(word for word in sys.argv[1:] if word != "--resume"), "--resume")
        raise StoppedError(stopped.what, f"Go on with: {again}", stopped.exit_code) from None
    if launch.leads():
        click.echo(f"{trained.path / 'adapter'}: the adapter. Next: {shell('evaluate', trained.path)}")
