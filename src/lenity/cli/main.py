"""The ``lenity`` command: finds sub-commands by file name."""

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
    "doctor": "Examine models, rewards and prompts before a run, and say what to change.",
    "plan": "Estimate memory, time and cost on given accelerators, without loading anything.",
    "train": "Align one policy at one point of the preference weights.",
    "sweep": "Align at several weights with several methods, then evaluate.",
    "evaluate": "Score a run on held-out prompts, before and after.",
    "judge": "Grade responses with a language model at any OpenAI-compatible endpoint.",
    "report": "Write one page from evaluated runs.",
    "push": "Publish a finished run on a model hub, with its card.",
    "lab": "See the paper's claims hold or fail, in worlds with exact gradients.",
    "methods": "List the methods, or show one with all its fields.",
    "rewards": "List the rewards, or show one with all its fields.",
    "readers": "List the readers of prompts, or show one with all its fields.",
}


class Lazy(Group):
    """Imports a command's file when it is asked for; the list needs none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a new user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The ``command`` of ``lenity.cli.<name>``."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lenity.cli.{cmd_name}").command
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a command, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EXIT_CODES = """\b
Exit codes:
  0    done, or ended by SIGTERM with everything saved
  1    done in part (a run of a sweep failed, the doctor found a problem), or a defect in Lenity
  2    an error, told in two lines: what is wrong, and what to do
  130  interrupted; what was saved is whole"""


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog=EXIT_CODES,
)
@click.option(DEBUG, is_flag=True, expose_value=False, help="Show the traceback of an error; it may stand anywhere.")
@click.version_option(package_name="lenity")
def cli() -> None:
    """Align language models to several preferences at once, and see the trade-offs.

    Start with `lenity demo`: a few minutes later there is a table and a page. `lenity init` writes a configuration of your own.
    Commands that read a configuration take every field of it as --section.field value.
    """


def main() -> None:
    """Entry point of ``lenity`` and of ``python -m lenity``."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if os.environ.get("NO_COLOR"):
        os.environ["TERM"] = (
            "dumb"  # rich then writes no ANSI at all; NO_COLOR alone leaves it bold type and moving bars
        )
    run(cli)
