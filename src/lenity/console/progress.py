"""Progress: a bar on a terminal; elsewhere, as in a log file, one line at the start, every few seconds, and at the end."""

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

_OTHERS, _BAR = 90, (5, 40)  # columns of the text beside a bar; least and most columns of the bar


@contextmanager
def track(
    title: str, total: int, done: int = 0, *, unit: str, settings: Progress | None = None, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """A context that shows the progress of its block; yields ``advance(steps=1, note=None)``.

    Args:
        title: name of the work.
        total: number of steps.
        done: number of steps done before.
        unit: of the steps, in the plural.
        settings: whether to show progress, and seconds between lines; default: a line every 30 seconds.
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
    """A context in which ``call`` is called every ``seconds``, from another thread."""
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
    """Whether ``console`` can redraw a bar: a terminal or notebook; a file is none, even with forced colours."""
    forced = os.environ.get("FORCE_COLOR") or os.environ.get("TTY_COMPATIBLE")
    terminal = console.is_terminal and not console.is_dumb_terminal and (console.file.isatty() or not forced)
    return terminal or console.is_jupyter


def write(line: str) -> None:
    """Print ``line``; a full disk or a closed pipe raises nothing."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(line, file=sys.stdout)


def duration(seconds: float) -> str:
    """Seconds in the largest fitting unit.

    >>> duration(42), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def elapsed(seconds: float) -> str:
    """Seconds as minutes and seconds, or as hours and minutes from one hour on.

    >>> elapsed(42), elapsed(190), elapsed(9000)
    ('42 s', '3 min 10 s', '2 h 30 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60:,} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _times(task: Task, done: int) -> str:
    """Time since the start and, after the first step, time left, by the speed of the last ten minutes, else of all steps."""
    spent, steps = task.elapsed or 0.0, task.completed - done
    left = None if task.finished or not steps else task.time_remaining
    if left is None and steps and not task.finished:
        left = task.remaining * spent / steps if task.remaining is not None else None
    return elapsed(spent) + (f", {duration(left)} left" if left is not None else "")


def _columns(console: Console, done: int) -> tuple[Any, ...]:
    """Count and times in full, then the bar, then title and note as far as they fit."""
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Times(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_times(task, done), no_wrap=True)

    width = min(max(console.width - _OTHERS, _BAR[0]), _BAR[1])
    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    about = TextColumn("{task.description}  {task.fields[note]}", markup=False, table_column=rest)
    return MofNCompleteColumn(), Times(table_column=Column(no_wrap=True)), BarColumn(width), about
