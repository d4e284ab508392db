"""The ``lenity`` command, which finds its sub-commands by file name."""

from __future__ import annotations

import importlib
import os

import click

from lenity.cli.ending import DEBUG, run
from lenity.cli.spelling import Group

COMMANDS = {
    "demo": "Align a tiny model in the toy world and compare PLC with linear scalarisation.",
    "init": "Write a commented configuration to start from.",
    "sft": "Fine-tune a model on transcripts.",
    "reward": "Train a reward model from pairs or labels.",
    "doctor": "Check models, rewards and prompts before a run, and say what to change.",
    "plan": "Estimate memory, time and cost on given GPUs, without loading a model.",
    "train": "Align one policy at one point of the preference weights.",
    "sweep": "Align at several weights with several methods, then evaluate.",
    "evaluate": "Score a run on held-out prompts, before and after alignment.",
    "judge": "Grade responses with a language model at an OpenAI-compatible endpoint.",
    "report": "Write one page that compares evaluated runs.",
    "push": "Publish a finished run on a model hub, with a model card.",
    "lab": "Test the paper's claims in worlds with exact gradients.",
    "methods": "List the methods, or show one with all its fields.",
    "rewards": "List the rewards, or show one with all its fields.",
    "readers": "List the readers of prompts, or show one with all its fields.",
    "estimators": "List the estimators of advantages, or show one with all its fields.",
    "templates": "List the templates that render conversations, or show one with all its fields.",
}


class Lazy(Group):
    """A group that imports the file of a command only when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The ``command`` of ``lenity.cli.<name>``; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lenity.cli.{cmd_name}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one line per command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EXIT_CODES = """\b
Exit codes:
  0    done, or stopped by SIGTERM after everything was saved
  1    done in part (a run of a sweep failed, or the doctor found a problem), or a defect in Lenity
  2    an error, with two lines: what is wrong, and what to do
  130  interrupted by Ctrl-C; everything that was saved is complete"""


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=EXIT_CODES,
)
@click.option(
    DEBUG,
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an error. It may stand anywhere on the command line.",
)
@click.version_option(package_name="lenity")
def cli() -> None:
    """Align language models to several preferences at once, and see the trade-offs.

    Start with `lenity demo`, which takes a few minutes and ends with a table and a page. `lenity init` writes a configuration
    for your own models. Commands that read a configuration take each of its fields as --section.field value.
    """


def main() -> None:
    """Entry point of ``lenity`` and of ``python -m lenity``."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if os.environ.get("NO_COLOR"):
        os.environ["TERM"] = (
            "dumb"  # with TERM=dumb rich writes no ANSI codes; with NO_COLOR alone it still writes bold type and moving bars
        )
    run(cli)
