"""Checkpoints between iterations: trained weights, optimizer moments, KL coefficient and the rule's memory, as safetensors and JSON.

Settings are not stored as state: a resumed run uses the learning rates, AdamW's betas and so on of its configuration.

Random states are not stored: every stage of every iteration sets its own seed. Nor is the position in the data, which is a function
of the iteration. The standardisation constants are in the run folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lenity.config.sections import Checkpoint as Settings
from lenity.errors import CheckpointError, NumericalError
from lenity.storage import manifest
from lenity.storage.atomic_io import replacing_folder, writing
from lenity.update.finite import not_finite

PREFIX = "iteration_"
POLICY = "policy."  # prefix of the policy's parameter names; all other parameters are the critic's
TENSORS = ("weights", "optimizer", "rule")


@dataclass(frozen=True)
class Checkpoint:
    """The contents of one checkpoint folder.

    Args:
        iteration: iterations done.
        weights: trained parameters, by name.
        optimizer: tensors of the optimizer, ``<index of the parameter>.<name>``.
        rule: tensors of the rule's memory.
        state: plain data: beta, the settings that determine it, and so on.
    """

    iteration: int
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    rule: Mapping[str, Tensor]
    state: Mapping[str, Any]

    @classmethod
    def of(
        cls, iteration: int, module: nn.Module, optimizer: Any, rule: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> Checkpoint:
        """The checkpoint of the current state.

        Raises:
            NumericalError: a weight is not finite, so that no run could continue from the checkpoint.
        """
        weights = trained(module)
        if broken := not_finite(weights):
            raise NumericalError(
                f"after iteration {iteration} {len(broken)} trained tensors are not finite: {', '.join(broken[:8])}.",
                "Lower optimizer.learning_rate and continue from the last checkpoint with --resume --allow-changes.",
            )
        state_dict = optimizer.state_dict()
        tensors = {f"{i}.{name}": value for i, entry in state_dict["state"].items() for name, value in entry.items()}
        return cls(iteration, weights, tensors, rule, state)

    def save(self, folder: Path, settings: Settings) -> Path:
        """The folder ``folder/iteration_NNNNNN``, after writing it atomically and removing checkpoints that ``settings`` does not keep."""
        final = path_of(folder, self.iteration)
        with writing(folder), replacing_folder(final) as partial:
            for name in TENSORS:
                save_file(
                    {key: value.contiguous() for key, value in getattr(self, name).items()},
                    partial / f"{name}.safetensors",
                )
            text = json.dumps({"iteration": self.iteration, **self.state})
            (partial / "state.json").write_text(text + "\n", encoding="utf-8")
            manifest.write(partial)
        for old in _all(folder)[: -settings.keep_last]:
            if not (settings.keep_every and _iteration(old) % settings.keep_every == 0):
                shutil.rmtree(old, ignore_errors=True)
        return final

    @classmethod
    def load(cls, folder: Path) -> Checkpoint:
        """The checkpoint that :meth:`save` wrote to ``folder``.

        Raises:
            CheckpointError: a file is missing, truncated or altered.
        """
        manifest.check(folder)
        try:
            weights, optimizer, rule = (load_file(folder / f"{name}.safetensors") for name in TENSORS)
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            return cls(int(state.pop("iteration")), weights, optimizer, rule, state)
        except Exception as error:  # safetensors and json each raise their own kinds
            raise CheckpointError(f"checkpoint '{folder}' cannot be read ({error}).", manifest.REMEDY) from error

    def restore(self, module: nn.Module, optimizer: Any) -> None:
        """Load the weights and the optimizer's moments, not its settings; a critic's are skipped if ``module`` has no critic.

        Raises:
            CheckpointError: the checkpoint is of another model or adapter.
        """
        present = shapes(trained(module))
        critic = any(not name.startswith(POLICY) for name in present)
        kept = {name: value for name, value in self.weights.items() if critic or name.startswith(POLICY)}
        saved = shapes(kept)
        if other := [name for name in saved | present if saved.get(name) != present.get(name)]:
            raise CheckpointError(
                f"the checkpoint of iteration {self.iteration} is of another model or adapter: {len(other)} tensors differ in name or "
                f"shape, the first is '{other[0]}'.",
                "Resume with the policy and critic (policy.model, policy.lora, critic) of the checkpoint.",
            )
        module.load_state_dict(kept, strict=False)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in self.optimizer.items():
            index, _, name = key.partition(".")
            if int(index) < len(present):  # the policy's parameters come first
                entries.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def newest(folder: Path, iterations: int, notify: Callable[[str], None]) -> Checkpoint | None:
    """The newest intact checkpoint of at most ``iterations`` iterations; None if there are no checkpoints.

    Args:
        folder: the folder of all checkpoints.
        iterations: rows in ``metrics.jsonl``; a later checkpoint is skipped, because rows that belong to it are lost.
        notify: called with a message on each skipped checkpoint.

    Raises:
        CheckpointError: there are checkpoints, and none can be used.
    """
    folders = _all(folder)
    for place in reversed(folders):
        if _iteration(place) > iterations:
            notify(f"Checkpoint '{place}' is skipped: metrics.jsonl has only {iterations} iterations.")
            continue
        try:
            return Checkpoint.load(place)
        except CheckpointError as error:
            notify(f"Checkpoint '{place}' is skipped: {error.what}")
    if folders:
        raise CheckpointError(
            f"none of the {len(folders)} checkpoints in '{folder}' can be used.",
            f"Restore an intact copy, or remove '{folder}' to train again from the start.",
        )
    return None


def path_of(folder: Path, iteration: int) -> Path:
    """The path of the checkpoint of ``iteration`` in ``folder``, the folder of all checkpoints."""
    return folder / f"{PREFIX}{iteration:06d}"


def written(folder: Path) -> list[int]:
    """The iterations of the checkpoints in ``folder``, in order."""
    return [_iteration(place) for place in _all(folder)]


def trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name."""
    return {name: value.detach().contiguous() for name, value in module.named_parameters() if value.requires_grad}


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The shapes of the tensors, by name."""
    return {name: value.shape for name, value in tensors.items()}


def _all(folder: Path) -> list[Path]:
    return sorted(
        (place for place in folder.glob(f"{PREFIX}*") if place.name.removeprefix(PREFIX).isdigit()), key=_iteration
    )


def _iteration(place: Path) -> int:
    return int(place.name.removeprefix(PREFIX))
