"""Checkpoints of the trainers of transformers and TRL, from which a resumed training gives bitwise the same model.

A trainer writes the weights and its own progress as safetensors and JSON. What it would pickle (the optimizer's state, the
schedule, the random state of each process) is written to further files in the same two formats. A manifest is written last: a folder
without a manifest that matches its files is an incomplete checkpoint.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import TrainerCallback

from lenity.errors import CheckpointError
from lenity.runs.changes import changes
from lenity.storage import manifest
from lenity.storage.atomic_io import sync

PREFIX, STATE, OPTIMIZER = "checkpoint-", "training.json", "optimizer.safetensors"
UNUSED = "training_args.bin"  # a pickle of the trainer's, which nothing reads


class Checkpoints(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Writes a checkpoint every ``every`` steps, and restores the state that the trainer itself does not.

    Args:
        every: optimizer steps between two checkpoints.
        stopping: called after each step; whether to save and end the training.
        state: returns further state to save, as plain JSON data.
        source: the checkpoint that the training resumes from.
    """

    def __init__(
        self, every: int, stopping: Callable[[], bool], state: Callable[[], Mapping[str, Any]], source: Path | None
    ) -> None:
        self._every, self._stopping, self._state, self._source = every, stopping, state, source
        self._random = _load_random(source) if source else None

    def on_train_begin(
        self, args: Any, state: Any, control: Any, *, optimizer: Any, lr_scheduler: Any, **kwargs: Any
    ) -> None:
        """Restore the optimizer and the schedule."""
        if self._source is None:
            return
        entries: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(self._source / OPTIMIZER).items():
            index, _, name = key.partition(".")
            entries.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        lr_scheduler.load_state_dict(read(self._source)["schedule"])
        for group, rate in zip(optimizer.param_groups, lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = rate

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore the random state before an epoch is shuffled; within an epoch, ``on_step_begin`` restores it."""
        if self._random is not None:
            _set_random(self._random)
            if state.epoch == int(state.epoch):
                self._random = None

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore the random state after the batches of the earlier session were skipped."""
        if self._random is not None:
            _set_random(self._random)
            self._random = None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Request a checkpoint, and a log entry with the mean loss so far, which the trainer would lose; at the end only the latter."""
        if ended := state.global_step >= state.max_steps:
            control.should_log = ended
            return
        control.should_training_stop = self._stopping()
        control.should_save = control.should_log = control.should_training_stop or state.global_step % self._every == 0

    def on_save(self, args: Any, state: Any, control: Any, *, optimizer: Any, lr_scheduler: Any, **kwargs: Any) -> None:
        """Complete the checkpoint that the trainer has written, then remove older checkpoints."""
        from accelerate import PartialState

        folder = Path(args.output_dir) / f"{PREFIX}{state.global_step}"
        folder.mkdir(parents=True, exist_ok=True)  # rank 0 creates it too, but other ranks may come first
        save_file(_random(), folder / _random_file(args.process_index))
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            entries = optimizer.state_dict()["state"]
            moments = {f"{i}.{name}": value for i, entry in entries.items() for name, value in entry.items()}
            save_file({key: value.contiguous() for key, value in moments.items()}, folder / OPTIMIZER)
            progress = {**self._state(), "schedule": lr_scheduler.state_dict()}
            (folder / UNUSED).unlink(missing_ok=True)
            (folder / STATE).write_text(json.dumps(progress, indent=2) + "\n", encoding="utf-8")
            manifest.write(folder)
            for path in [*folder.rglob("*"), folder, folder.parent]:
                sync(path)
            for older in _all(folder.parent)[:-1]:
                shutil.rmtree(older)
        PartialState().wait_for_everyone()


def newest(folder: Path, notify: Callable[[str], None]) -> Path | None:
    """The newest complete checkpoint in ``folder``, or None; ``notify`` gets a message per incomplete one."""
    for place in reversed(_all(folder)):
        try:
            manifest.check(place)
            return place
        except CheckpointError as error:
            notify(f"Checkpoint '{place}' is skipped: {error.what}")
    return None


def read(checkpoint: Path) -> dict[str, Any]:
    """The state that ``checkpoint`` has besides weights and optimizer, from its JSON file."""
    state: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state


def check(checkpoint: Path, made_with: Mapping[str, Any]) -> None:
    """Check that ``checkpoint`` was made with the data, settings and number of processes of the current training.

    Raises:
        CheckpointError: they differ, so that resuming would not give the uninterrupted training's model.
    """
    if differences := changes(read(checkpoint)["made_with"], dict(made_with)):
        raise CheckpointError(
            f"'{checkpoint}' was made with other data or settings: {'; '.join(differences.values())}.",
            f"Resume with the same data, settings and number of processes, or remove '{checkpoint.parent}' to start again.",
        )


def _all(folder: Path) -> list[Path]:
    """The checkpoint folders in ``folder``, oldest first."""
    checkpoints = [place for place in folder.glob(f"{PREFIX}*") if place.name.removeprefix(PREFIX).isdecimal()]
    return sorted(checkpoints, key=lambda place: int(place.name.removeprefix(PREFIX)))


def _random() -> dict[str, Tensor]:
    """The random states of torch's generators, by device."""
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), **{f"cuda:{i}": state for i, state in enumerate(devices)}}


def _set_random(states: Mapping[str, Tensor]) -> None:
    for device, state in states.items():
        if device == "cpu":
            torch.set_rng_state(state)
        elif int(device.removeprefix("cuda:")) < torch.cuda.device_count():
            torch.cuda.set_rng_state(state, device)


def _load_random(checkpoint: Path) -> dict[str, Tensor]:
    from accelerate import PartialState

    states: dict[str, Tensor] = load_file(checkpoint / _random_file(PartialState().process_index))
    return states


def _random_file(process: int) -> str:
    return f"random_{process}.safetensors"
