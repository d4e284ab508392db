"""A rule's memory of earlier steps, saved in the checkpoints of a transformers Trainer (``trainer_state.json``)."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers import TrainerCallback

from lenity.rules.memory import Memory, saved

PLACE, KIND = "lenity_rule", "lenity_rule_kind"


class RuleMemory(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """A rule's memory: copied to the trainer's state after each step, so that any checkpoint has it, and restored on resume.

    Args:
        kind: kind of the rule.
        memory: the memory before the first step.
    """

    def __init__(self, kind: str, memory: Memory) -> None:
        self.kind, self.memory = kind, memory

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Restore the memory from the checkpoint; another rule's memory is ignored with a warning."""
        kept = state.stateful_callbacks.get(PLACE, {})
        if (kind := state.stateful_callbacks.get(KIND, self.kind)) != self.kind:
            warnings.warn(
                f"The checkpoint has the memory of rule {kind}, which is ignored: the rule is {self.kind}.",
                stacklevel=2,
            )
            state.stateful_callbacks.pop(PLACE, None)
        elif kept:
            self.memory = {
                name: torch.tensor(entry["values"], dtype=getattr(torch, entry["dtype"]))
                for name, entry in kept.items()
            }

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Copy the rule's memory, if it has one, to the trainer's state."""
        if kept := saved(self.memory, self.kind):
            state.stateful_callbacks[KIND] = self.kind
            state.stateful_callbacks[PLACE] = {
                name: {"dtype": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
                for name, value in kept.items()
            }
