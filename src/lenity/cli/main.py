"""The ``lenity`` command: finds sub-commands by file name and turns known errors into messages."""

from __future__ import annotations

import importlib
import os
import sys

import click

from lenity.errors import LenityError

COMMANDS = {
    "demo": "Align a tiny model in the toy world and compare PLC with linear scalarisation.",
    "sft": "Fine-tune a model on transcripts.",
    "reward": "Train a reward model from pairs or labels.",
    "doctor": "Examine models, rewards and prompts before a run, and say what to change.",
    "train": "Align one policy at one point of the preference weights.",
    "sweep": "Align at several weights with several methods, then evaluate.",
    "evaluate": "Score a run on held-out prompts, before and after.",
    "judge": "Grade responses with a language model at any OpenAI-compatible endpoint.",
    "report": "Write one page from evaluated runs.",
    "lab": "See the paper's claims hold or fail, in worlds with exact gradients.",
    "methods": "List the methods, with their settings and files.",
}


class Lazy(click.Group):
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


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="lenity")
def cli() -> None:
    """Align language models to several preferences at once, and see the trade-offs.

    Start with `lenity demo`: a few minutes later there is a table and a page.
    Commands that read a configuration take every field of it as --section.field value.
    """


def main() -> None:
    """Entry point; errors a user can act on come without a traceback and exit with 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        code = cli.main(standalone_mode=False)
        _leave(code if isinstance(code, int) else 0)
    except LenityError as error:
        click.echo(click.style("error: ", fg="red") + str(error), err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "interrupted; what was saved is whole. The same command with --resume (train) or again (sweep, demo) goes on.",
            err=True,
        )
        sys.exit(130)


def _leave(code: int) -> None:
    """Exit, past the clean-up of threads where a launcher started several processes.

    PyTorch leaves gloo's threads running behind a ``DistributedDataParallel`` module, also once the group is destroyed, and
    an ordinary exit among them aborts now and then, so that a launcher calls a finished run failed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
