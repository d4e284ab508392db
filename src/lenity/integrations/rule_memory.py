"""What a rule remembers of the steps so far, kept in the checkpoints of a transformers Trainer (``trainer_state.json``)."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers import TrainerCallback

from lenity.rules.memory import Memory, saved

PLACE, KIND = "lenity_rule", "lenity_rule_kind"


class RuleMemory(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """The memory of a rule between steps: written down after each step, so that any checkpoint has it, and read on a resume.

    Args:
        kind: the rule's.
        memory: before the first step.
    """

    def __init__(self, kind: str, memory: Memory) -> None:
        self.kind, self.memory = kind, memory

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take what a checkpoint kept, unless another rule did."""
        kept = state.stateful_callbacks.get(PLACE, {})
        if (kind := state.stateful_callbacks.get(KIND, self.kind)) != self.kind:
            warnings.warn(
                f"The checkpoint is of another rule; the memory of rule {kind} in it is left out: the rule is {self.kind}.",
                stacklevel=2,
            )
            state.stateful_callbacks.pop(PLACE, None)
        elif kept:
            self.memory = {
                name: torch.tensor(found["values"], dtype=getattr(torch, found["dtype"]))
                for name, found in kept.items()
            }

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write down what the rule remembers, if it does."""
        if kept := saved(self.memory, self.kind):
            state.stateful_callbacks[KIND] = self.kind
            state.stateful_callbacks[PLACE] = {
                name: {"dtype": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
                for name, value in kept.items()
            }
