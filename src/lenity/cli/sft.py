"""``lenity sft``: fine-tunes a model on transcripts."""

from __future__ import annotations

import click

from lenity.cli.ending import telling_how_to_resume
from lenity.cli.spelling import takes_fields
from lenity.config.stages import SFTConfig


@takes_fields(SFTConfig)
@click.argument("config", type=click.Path())
@click.option("--resume", is_flag=True, help="Go on with an interrupted training in the output folder.")
@click.pass_context
def command(context: click.Context, config: str, resume: bool) -> None:
    """Fine-tune a model on transcripts, or train a small one from scratch, with the settings of the YAML file CONFIG.

    Example: lenity sft sft.yaml --epochs 2
    """
    from lenity.config.load import load
    from lenity.distributed import launch

    stage = load(SFTConfig, config, context.args)
    from lenity.console.terminal import quiet, show_report
    from lenity.finetuning.supervised import run

    quiet()
    with telling_how_to_resume():
        report = run(stage, resume=resume, gently=True)
    if launch.leads():
        show_report(stage.output, report)
