"""``lenity train``: aligns one policy at one point of the weights."""

from __future__ import annotations

import click

from lenity.cli.ending import telling_how_to_resume
from lenity.cli.spelling import takes_fields
from lenity.config.suggest import command as shell
from lenity.runs.config import RunConfig


@takes_fields(RunConfig)
@click.argument("config", type=click.Path())
@click.option("--resume", is_flag=True, help="Resume the run in the output folder from its newest checkpoint.")
@click.option(
    "--allow-changes",
    is_flag=True,
    help="Allow the resumed run to have other settings than it was begun with; notes.log lists the changes.",
)
@click.pass_context
def command(context: click.Context, config: str, resume: bool, allow_changes: bool) -> None:
    """Align the policy of the YAML file CONFIG.

    The run folder gets an adapter that peft loads, metrics, sample responses and checkpoints. After Ctrl-C or SIGTERM, the
    iteration is finished, everything is saved, and the command that resumes the run is printed.

    \b
    lenity train toy.yaml --method.gate net --weights '{helpful: 0.7, harmless: 0.3}'
    accelerate launch --config_file configs/accelerate/ddp.yaml --module lenity train CONFIG
    """  # noqa: D301 - click reads the backspace
    from lenity.config.load import load
    from lenity.distributed import launch

    run = load(RunConfig, config, context.args)
    from lenity.console.terminal import quiet
    from lenity.library.trainer import Trainer

    quiet()
    with telling_how_to_resume():
        trained = Trainer.from_config(run, on_command_line=True).train(resume, allow_changes=allow_changes, gently=True)
    if launch.leads():
        click.echo(f"{trained.path / 'adapter'}: the adapter. Next: {shell('evaluate', trained.path)}")
