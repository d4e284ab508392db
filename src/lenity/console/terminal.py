"""Messages on the terminal."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def quiet() -> None:
    """Switch off progress bars and deprecation warnings of the libraries."""
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
    """Print a line, above a progress bar if there is one."""
    import rich

    rich.get_console().print(text, style="yellow", markup=False, highlight=False)


@contextmanager
def working(text: str) -> Iterator[None]:
    """A context that shows ``text`` during work without progress of its own: with a spinner on a terminal, elsewhere as one line."""
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
    """Print the values of a training stage's ``report`` and the files in its ``output`` folder."""
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
