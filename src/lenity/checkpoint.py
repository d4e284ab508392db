"""State at an iteration boundary: trained weights, optimizer, schedule, KL controller. Written aside, synced, renamed.

Random numbers need no state: every stage of every iteration starts from its own seed. Neither does the data cursor, which is
a function of the iteration. The standardisation constants stand in the run folder.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lenity.durable import writing
from lenity.errors import CheckpointError

PREFIX = "iteration_"


def save(
    folder: Path, iteration: int, module: nn.Module, optimizer: Any, *, state: dict[str, Any], keep_last: int
) -> Path:
    """Write ``folder/iteration_NNNNNN`` and remove all but the newest ``keep_last``."""
    final = folder / f"{PREFIX}{iteration:06d}"
    partial = folder / f".{final.name}"
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(trained(module), partial / "model.safetensors")
        torch.save(optimizer.state_dict(), partial / "optimizer.pt")
        (partial / "state.json").write_text(json.dumps({"iteration": iteration, **state}) + "\n", encoding="utf-8")
        for file in [*partial.iterdir(), partial]:
            _sync(file)
        shutil.rmtree(final, ignore_errors=True)
        partial.replace(final)
        _sync(folder)
    for old in _all(folder)[:-keep_last]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load(folder: Path, module: nn.Module, optimizer: Any) -> dict[str, Any] | None:
    """Restore the newest checkpoint in ``folder``; its state, or None where there is none.

    Raises:
        CheckpointError: a file is damaged or belongs to another model.
    """
    if not (found := _all(folder)):
        return None
    newest = found[-1]
    try:
        weights = load_file(newest / "model.safetensors")
        optimizer_state = torch.load(newest / "optimizer.pt", map_location="cpu", weights_only=True)
        state: dict[str, Any] = json.loads((newest / "state.json").read_text(encoding="utf-8"))
    except Exception as error:  # safetensors, torch and json each raise their own kinds
        raise CheckpointError(
            f"checkpoint '{newest}' cannot be read ({error}); remove it to resume from the one before."
        ) from error
    own = trained(module)
    if {name: value.shape for name, value in weights.items()} != {name: value.shape for name, value in own.items()}:
        raise CheckpointError(
            f"checkpoint '{newest}' is of another model or adapter; resume with the settings it was made with."
        )
    module.load_state_dict(weights, strict=False)
    optimizer.load_state_dict(optimizer_state)
    return state


def trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name."""
    return {name: value.detach().contiguous() for name, value in module.named_parameters() if value.requires_grad}


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*"))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
