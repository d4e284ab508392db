"""How a command ends: an error as two lines, what is wrong and what to do, and an exit code (docs/reliability.md)."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import NoReturn

import click

from lenity.config.suggest import did_you_mean
from lenity.distributed import launch
from lenity.errors import LenityError, StoppedError

DEBUG = "--debug"


def run(command: click.Command) -> NoReturn:
    """Run ``command`` with the process's arguments, and exit; ``--debug`` among them, wherever it stands, shows tracebacks."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    try:
        code = command.main(arguments, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second one must not cut the last words short
        if DEBUG in sys.argv[1:]:
            traceback.print_exception(error)
        code = tell(error)
    _leave(code if isinstance(code, int) else 0)


def tell(error: BaseException) -> int:
    """Print what is wrong and what to do about it, a line each; the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort):  # click's word for KeyboardInterrupt, and for EOFError, which is none of ours
        error = error.__cause__ or KeyboardInterrupt()
    if isinstance(error, KeyboardInterrupt):
        error = StoppedError(
            "interrupted; what was saved is whole.",
            "The same command with --resume (train) or again (sweep, demo) goes on.",
            exit_code=130,
        )
    what, remedy, code = _parts(error)
    if not launch.speaks():
        return code
    wanted = isinstance(error, StoppedError)  # by the user: nothing is wrong
    coloured = False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None  # None: on a terminal
    for label, colour, text in (("error: ", "red", what), ("remedy: ", "green", remedy)):
        if text:
            click.echo(text if wanted else click.style(label, fg=colour) + text, err=True, color=coloured)
    return code


def _parts(error: BaseException) -> tuple[str, str, int]:
    if isinstance(error, LenityError):
        return error.what, error.remedy, error.exit_code
    if isinstance(error, click.UsageError):
        what, hint = error.format_message(), ""
        if isinstance(error, click.NoSuchOption):
            what, hint = error.message, did_you_mean(error.option_name, error.possibilities or ())
        if isinstance(error, click.BadParameter) and error.param and isinstance(error.param.type, click.Choice):
            hint = did_you_mean(error.message.split("'")[1], map(str, error.param.type.choices))
        path = error.ctx.command_path if error.ctx else "lenity"
        return what, f"{hint} See {path} --help.".strip(), error.exit_code
    what = " ".join("".join(traceback.format_exception_only(error)).split())
    if plug_in := _plug_in(error):
        return (
            f"{plug_in} failed: {what}",
            f"This is a defect in that plug-in: {DEBUG} shows where. Please report it there.",
            1,
        )
    return what, f"This is a defect in Lenity or in a plug-in: {DEBUG} shows where. Please report it.", 1


def _plug_in(error: BaseException) -> str:
    """The plug-in whose code ``error`` comes out of, in words; empty where it is none's."""
    from lenity.data.base import DATASETS
    from lenity.rewards.base import REWARDS
    from lenity.rules.base import RULES

    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    registries = (RULES, REWARDS, DATASETS)
    return next((found for name in reversed(modules) for one in registries if (found := one.origin(name))), "")


def _leave(code: int) -> NoReturn:
    """Exit, past the clean-up of threads where a launcher started several processes.

    PyTorch leaves gloo's threads running, and an ordinary exit among them aborts now and then, so that a launcher calls a
    finished run failed.
    """
    if launch.launched() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
