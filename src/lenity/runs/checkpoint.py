"""State at an iteration boundary: trained weights, moments, KL controller, the rule's own. Tensors and JSON alone.

What the configuration says is not state: learning rates, betas and the like are those of the run that goes on.

Random numbers need no state: every stage of every iteration starts from its own seed. Neither does the data cursor, which is
a function of the iteration. The standardisation constants stand in the run folder.
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
POLICY = "policy."  # begins the names of its parameters; the rest are the critic's
TENSORS = ("weights", "optimizer", "rule")


@dataclass(frozen=True)
class Checkpoint:
    """What one folder holds.

    Args:
        iteration: how many are done.
        weights: what training changes, by parameter.
        optimizer: its tensors, ``<parameter>.<name>``.
        rule: tensors of a rule that keeps a state.
        state: plain data: beta, the settings that it came from, and so on.
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
        """The state as it is now.

        Raises:
            NumericalError: a weight is not finite, so that going on from here would be in vain.
        """
        weights = trained(module)
        if broken := not_finite(weights):
            raise NumericalError(
                f"after iteration {iteration} {len(broken)} trained tensors are not finite: {', '.join(broken[:8])}.",
                "Lower optimizer.learning_rate and go on from the last checkpoint with --resume --allow-changes.",
            )
        found = optimizer.state_dict()
        tensors = {f"{i}.{name}": value for i, entry in found["state"].items() for name, value in entry.items()}
        return cls(iteration, weights, tensors, rule, state)

    def save(self, folder: Path, settings: Settings) -> Path:
        """Write ``folder/iteration_NNNNNN``, whole or not at all, and remove the checkpoints that ``settings`` does not keep."""
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
        """The inverse of :meth:`save`.

        Raises:
            CheckpointError: a file is missing, torn or altered.
        """
        manifest.check(folder)
        try:
            weights, optimizer, rule = (load_file(folder / f"{name}.safetensors") for name in TENSORS)
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            return cls(int(state.pop("iteration")), weights, optimizer, rule, state)
        except Exception as error:  # safetensors and json each raise their own kinds
            raise CheckpointError(f"checkpoint '{folder}' cannot be read ({error}).", manifest.REMEDY) from error

    def restore(self, module: nn.Module, optimizer: Any) -> None:
        """Put weights and the optimizer's moments back; its settings stay. Those of a critic are left out where there is none now.

        Raises:
            CheckpointError: they are of another model or adapter.
        """
        present = shapes(trained(module))
        critic = any(not name.startswith(POLICY) for name in present)
        kept = {name: value for name, value in self.weights.items() if critic or name.startswith(POLICY)}
        saved = shapes(kept)
        if other := [name for name in saved | present if saved.get(name) != present.get(name)]:
            raise CheckpointError(
                f"the checkpoint of iteration {self.iteration} is of another model or adapter: of the tensors of both "
                f"{len(other)} differ, '{other[0]}' first.",
                "Resume with the policy and critic (policy.model, policy.lora, critic) that it was made with.",
            )
        module.load_state_dict(kept, strict=False)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in self.optimizer.items():
            index, _, name = key.partition(".")
            if int(index) < len(present):  # the policy's come first
                entries.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})


def newest(folder: Path, iterations: int, notify: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint of at most ``iterations``; None where none was written.

    Args:
        folder: of the checkpoints.
        iterations: how many are on record; what a later checkpoint went through cannot be told any more.
        notify: gets a word on each that is passed over.

    Raises:
        CheckpointError: there are some, and none can be used.
    """
    found = _all(folder)
    for place in reversed(found):
        if _iteration(place) > iterations:
            notify(f"Checkpoint '{place}' is passed over: metrics.jsonl has only {iterations} iterations.")
            continue
        try:
            return Checkpoint.load(place)
        except CheckpointError as error:
            notify(f"Checkpoint '{place}' is passed over: {error.what}")
    if found:
        raise CheckpointError(
            f"none of the {len(found)} checkpoints in '{folder}' can be used.",
            f"Put a good copy back, or remove '{folder}' to train again from the start.",
        )
    return None


def path_of(folder: Path, iteration: int) -> Path:
    """Where the checkpoint of ``iteration`` is in the ``folder`` of all."""
    return folder / f"{PREFIX}{iteration:06d}"


def written(folder: Path) -> list[int]:
    """Of the checkpoints that are there, in order."""
    return [_iteration(found) for found in _all(folder)]


def trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name."""
    return {name: value.detach().contiguous() for name, value in module.named_parameters() if value.requires_grad}


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The shape of each."""
    return {name: value.shape for name, value in tensors.items()}


def _all(folder: Path) -> list[Path]:
    return sorted(
        (place for place in folder.glob(f"{PREFIX}*") if place.name.removeprefix(PREFIX).isdigit()), key=_iteration
    )


def _iteration(place: Path) -> int:
    return int(place.name.removeprefix(PREFIX))
