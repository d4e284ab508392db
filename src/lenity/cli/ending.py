"""How a command ends: errors as two lines, what is wrong and what to do, and exit codes (docs/reliability.md)."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from lenity.config.suggest import command as shell
from lenity.config.suggest import did_you_mean
from lenity.distributed import launch
from lenity.errors import LenityError, StoppedError

DEBUG = "--debug"


def run(command: click.Command) -> NoReturn:
    """Run ``command`` with the arguments of the process, and exit; ``--debug`` anywhere among them shows tracebacks."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    try:
        code = command.main(arguments, standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not cut off the error message
        if DEBUG in sys.argv[1:]:
            traceback.print_exception(error)
        code = tell(error)
    _leave(code if isinstance(code, int) else 0)


@contextmanager
def telling_how_to_resume() -> Iterator[None]:
    """Gives what a signal has ended inside the command that goes on with it as remedy."""
    try:
        yield
    except StoppedError as stopped:
        again = shell(*(word for word in sys.argv[1:] if word != "--resume"), "--resume")
        raise StoppedError(stopped.what, f"Go on with: {again}", stopped.exit_code) from None


def tell(error: BaseException) -> int:
    """The exit code for ``error``, after its two lines are printed: what is wrong, and the remedy."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort):  # click raises Abort for KeyboardInterrupt and for EOFError
        error = error.__cause__ or KeyboardInterrupt()
    if isinstance(error, KeyboardInterrupt):
        error = StoppedError(
            "interrupted; everything that was saved is complete.",
            "To go on, repeat the command; train, sft and reward need --resume.",
            exit_code=130,
        )
    what, remedy, code = _parts(error)
    if not launch.speaks():
        return code
    wanted = isinstance(error, StoppedError)  # by the user, so it is not an error
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
    """The plug-in that raised ``error``, in words; empty where no plug-in did."""
    from lenity.config.members import open_sets
    from lenity.runs.config import RunConfig

    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    registries = [one.registry for one in open_sets(RunConfig)]
    return next((found for name in reversed(modules) for one in registries if (found := one.origin(name))), "")


def _leave(code: int) -> NoReturn:
    """Exit with ``code``; under a launcher of several processes, without the clean-up of threads.

    PyTorch leaves gloo's threads running, and an ordinary exit sometimes aborts in them, so that the launcher reports a finished
    run as failed.
    """
    if launch.launched() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
