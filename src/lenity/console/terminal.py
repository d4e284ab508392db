"""What the user sees while work goes on."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def quiet() -> None:
    """Keep the libraries' bars and deprecation notes off the terminal; ours say what goes on."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


@contextmanager
def quietly() -> Iterator[None]:
    """As :func:`quiet`, within the block alone."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    with warnings.catch_warnings():
        quiet()
        try:
            yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()


def notify(text: str) -> None:
    """A line above whatever bar is shown."""
    import rich

    rich.get_console().print(text, style="yellow", markup=False, highlight=False)


@contextmanager
def working(text: str) -> Iterator[None]:
    """Shows that work goes on which says nothing itself: a spinner on a terminal, elsewhere a line at once."""
    import rich

    console = rich.get_console()
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        console.file.flush()
        yield


def show_report(output: str, report: dict[str, Any]) -> None:
    """The figures of a training stage, one a line, and where they are kept."""
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in report.items():
        table.add_row(f"[bold]{name.replace('_', ' ')}[/bold]", _shown(value))
    Console().print(table, highlight=False)
    Console().print(f"{output}: the model, its tokenizer and report.json", highlight=False)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"\\[{', '.join(map(_shown, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
