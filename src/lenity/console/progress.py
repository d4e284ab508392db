"""How far the work is: a bar on a terminal; elsewhere, as in a log file, a plain line at the start, every so often, and at the end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from lenity.config.sections import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Task

_NARROW, _BAR = 90, (5, 40)  # columns that a bar leaves to the rest, and its own


@contextmanager
def track(
    title: str, total: int, done: int = 0, *, unit: str, settings: Progress | None = None, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """Shows the progress of what goes on inside; yields ``advance(steps=1, note=None)``.

    Args:
        title: what goes on.
        total: steps in all.
        done: of them before.
        unit: what the steps are, in the plural.
        settings: whether to show anything, and how often a line; default: a line every 30 seconds.
        shown: ``False`` shows nothing, as in processes other than the first.
    """
    import rich
    from rich.progress import Progress as Bar

    settings, console = settings or Progress(), rich.get_console()
    shown = shown and settings.progress
    drawn = shown and draws(console)
    with Bar(
        *_columns(console, done), console=console, disable=not drawn, expand=True, speed_estimate_period=600
    ) as bar:
        number = bar.add_task(title, total=total, completed=done, note="")

        def advance(steps: int = 1, note: str | None = None) -> None:
            bar.update(number, advance=steps)
            if note is not None:
                bar.update(number, note=note)

        def line() -> None:
            task = bar.tasks[0]
            parts = [f"{title} {task.completed:,.0f}/{total:,} {unit}", _times(task, done), task.fields["note"]]
            write(", ".join(filter(None, parts)))

        if drawn or not shown:
            yield advance
            return
        line()
        try:
            with ticking(settings.every_seconds, line):
                yield advance
        finally:
            line()


@contextmanager
def ticking(seconds: float, call: Callable[[], None]) -> Iterator[None]:
    """Calls ``call`` every ``seconds``, from another thread."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(seconds):
            call()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def draws(console: Console) -> bool:
    """Whether a bar can be drawn and drawn again where ``console`` writes; colours that are forced make no terminal of a file."""
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE")
    terminal = console.is_terminal and not console.is_dumb_terminal and (console.file.isatty() or not forced)
    return terminal or console.is_jupyter


def write(line: str) -> None:
    """A line of the log; a full disk or a closed pipe is no reason to end the work."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(line, file=sys.stdout)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def elapsed(seconds: float) -> str:
    """Seconds to the second within the first hour, to the minute after it.

    >>> elapsed(42), elapsed(190), elapsed(9000)
    ('42 s', '3 min 10 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _times(task: Task, done: int) -> str:
    """Time since the start, and time left from the first step on: from the last ten minutes, else from the whole."""
    spent, steps = task.elapsed or 0.0, task.completed - done
    left = None if task.finished or not steps else task.time_remaining
    if left is None and steps and not task.finished:
        left = task.remaining * spent / steps if task.remaining is not None else None
    return elapsed(spent) + (f", {duration(left)} left" if left is not None else "")


def _columns(console: Console, done: int) -> tuple[Any, ...]:
    """Count and times first and whole, then the bar, then as much of the rest as fits."""
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Times(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_times(task, done), no_wrap=True)

    width = min(max(console.width - _NARROW, _BAR[0]), _BAR[1])
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    about = TextColumn("{task.description}  {task.fields[note]}", markup=False, table_column=rest)
    return MofNCompleteColumn(), Times(table_column=Column(no_wrap=True)), BarColumn(width), about
