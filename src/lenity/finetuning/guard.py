"""No gradient that is not finite reaches an optimizer of the trainers of transformers and TRL."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from lenity.errors import NumericalError
from lenity.update.finite import not_finite


class Guard(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Skips such steps and counts them.

    Args:
        allowed: steps that may be skipped before the training stops.
        skipped: steps that were skipped before a resumed training was interrupted.
    """

    def __init__(self, allowed: int, skipped: int = 0) -> None:
        self._allowed, self.skipped = allowed, skipped

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Drop the gradients of a broken step; a parameter without one is left as it is.

        Raises:
            NumericalError: it is one too many.
        """
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        if not (broken := not_finite(gradients)):
            return
        model.zero_grad(set_to_none=True)
        self.skipped += 1
        if self.skipped > self._allowed:
            raise NumericalError(
                f"{self.skipped} optimizer steps were not finite, more than non_finite_steps allows; in the last one the gradients "
                f"of {len(broken)} tensors, such as {', '.join(broken[:4])}. None reached the weights.",
                "Lower the learning rate or look at the data.",
            )
