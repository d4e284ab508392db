"""Lenity's progress display in the trainers of transformers and TRL, instead of their bars and printed dictionaries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback

from lenity.config.sections import Progress
from lenity.console.progress import track


class _Progress(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    def __init__(self, title: str, settings: Progress, stack: ExitStack) -> None:
        self._title, self._settings, self._stack = title, settings, stack
        self._advance: Callable[..., None] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the display, in the first process."""
        self._begin(state, state.max_steps, state.global_step, "steps")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Advance the display by one optimizer step."""
        if self._advance is not None:
            self._advance()

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **kwargs: Any
    ) -> None:
        """Advance the display by one batch of an evaluation."""
        if self._advance is None:
            self._begin(state, len(eval_dataloader), 0, "batches")
        self.on_step_end(args, state, control)

    def _begin(self, state: Any, total: int, done: int, unit: str) -> None:
        shown = track(self._title, total, done, unit=unit, settings=self._settings, shown=state.is_world_process_zero)
        self._advance = self._stack.enter_context(shown)


@contextmanager
def tracked(trainer: Any, title: str, settings: Progress) -> Iterator[None]:
    """A context that shows the progress of the training or evaluation within, instead of ``trainer``'s own display."""
    for callback in (ProgressCallback, PrinterCallback):
        trainer.remove_callback(callback)
    with ExitStack() as stack:
        callback = _Progress(title, settings, stack)
        trainer.add_callback(callback)
        try:
            yield
        finally:
            trainer.remove_callback(callback)
