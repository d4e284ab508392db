"""Our progress bar in the trainers of transformers and TRL, in place of theirs and of their printed dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from lenity.terminal import bar


class _Bar(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    def __init__(self, title: str) -> None:
        self._title, self._stack = title, ExitStack()
        self._advance: Callable[..., None] = lambda steps: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar on the main process."""
        shown = state.is_world_process_zero
        self._advance = self._stack.enter_context(bar(self._title, state.max_steps, state.global_step, shown=shown))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """One optimizer step further."""
        self._advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close it."""
        self._stack.close()


def show_progress(trainer: Any, title: str, shown: bool) -> None:
    """Replace ``trainer``'s own output by one bar, or by nothing."""
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    if shown:
        trainer.add_callback(_Bar(title))
