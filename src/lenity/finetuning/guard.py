"""A guard against non-finite gradients in the trainers of transformers and TRL."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from lenity.errors import NumericalError
from lenity.update.finite import not_finite


class Guard(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Skips optimizer steps with non-finite gradients, and counts them.

    Args:
        allowed: maximum of skipped steps before the training stops.
        skipped: steps that the training skipped before it was resumed.
    """

    def __init__(self, allowed: int, skipped: int = 0) -> None:
        self._allowed, self.skipped = allowed, skipped

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Set the gradients to None if one is not finite, so that the optimizer changes no parameter.

        Raises:
            NumericalError: more than ``allowed`` steps were skipped.
        """
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        if not (broken := not_finite(gradients)):
            return
        model.zero_grad(set_to_none=True)
        self.skipped += 1
        if self.skipped > self._allowed:
            raise NumericalError(
                f"{self.skipped} optimizer steps were not finite, more than non_finite_steps allows; the last had non-finite gradients "
                f"of {len(broken)} tensors, such as {', '.join(broken[:4])}. No such step changed the weights.",
                "Lower the learning rate or check the data.",
            )
