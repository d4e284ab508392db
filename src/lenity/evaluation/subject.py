"""The aligned policy under evaluation, of a finished run or a checkpoint, and the folder of its evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from lenity.console.terminal import notify
from lenity.errors import CheckpointError
from lenity.evaluation.places import checkpoint_place, of_iteration
from lenity.runs.folder import RunFolder

if TYPE_CHECKING:
    import torch

    from lenity.distributed.processes import Processes
    from lenity.runs.checkpoint import Checkpoint

Which = int | Literal["newest"]


@dataclass(frozen=True)
class Subject:
    """One aligned policy.

    Args:
        run: the run that trains it.
        path: folder of its evaluation: the run's folder, or the checkpoint's own.
        iteration: of the checkpoint; None for a finished run.
        weights: the checkpoint's adapter weights by parameter; None for a finished run.
    """

    run: RunFolder
    path: Path
    iteration: int | None = None
    weights: Mapping[str, torch.Tensor] | None = None

    @classmethod
    def of(cls, run: RunFolder, which: Which | None, processes: Processes) -> Self:
        """The finished policy of ``run``, or that of the checkpoint ``which``.

        Raises:
            CheckpointError: the checkpoint does not exist, in which case those that do are listed, or is incomplete.
        """
        if which is None:
            return cls(run, run.path)
        from lenity.runs.checkpoint import POLICY

        newest = processes.broadcast_from_first(lambda: _load(run, which).iteration)
        checkpoint = _load(run, newest)
        weights = {name: value for name, value in checkpoint.weights.items() if name.startswith(POLICY)}
        return cls(run, checkpoint_place(run.path, checkpoint.iteration), checkpoint.iteration, weights)

    @property
    def label(self) -> str:
        """The suffix to the method's name in its rows; empty for a finished run."""
        return of_iteration(self.iteration, self.run.config.iterations)

    def identity(self) -> list[Any]:
        """What identifies its weights, as JSON data."""
        if self.weights is None:
            return identity(self.run.adapter)
        digest = hashlib.sha256()
        for name, value in sorted(self.weights.items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.contiguous().flatten().view(_bytes()).numpy().tobytes())
        return ["checkpoint", self.iteration, digest.hexdigest()]

    def load(self, device: torch.device) -> tuple[Any, Any]:
        """The model and its tokenizer; within ``model.disable_adapter()`` it is the reference policy.

        Raises:
            ModelError: the run has no adapter yet.
            CheckpointError: the weights do not fit the configured model or adapter.
        """
        from lenity.models.policy import load_policy
        from lenity.runs.aligned import load_aligned

        if self.weights is None:
            return load_aligned(self.run, device)
        from lenity.runs.checkpoint import POLICY, shapes, trained

        model, tokenizer = load_policy(self.run.config.policy, device)
        weights = {name.removeprefix(POLICY): value for name, value in self.weights.items()}
        if shapes(weights) != shapes(trained(model)):
            raise CheckpointError(
                f"the checkpoint of iteration {self.iteration} does not fit the model or adapter in config.yaml of '{self.run.path}'.",
                "Restore the settings that it was written with.",
            )
        model.load_state_dict(weights, strict=False)
        return model.eval(), tokenizer


def identity(model: str | Path) -> list[Any]:
    """Names, sizes and times of a local model's files; empty for a hub name, which a revision identifies."""
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        return []
    return [
        [f.name, f.stat().st_size, f.stat().st_mtime_ns]
        for f in sorted(folder.iterdir())
        if f.suffix in {".safetensors", ".bin", ".json"}
    ]


def _load(run: RunFolder, which: Which) -> Checkpoint:
    """A complete checkpoint; the search is repeated where training removes or adds one meanwhile."""
    from lenity.runs.checkpoint import Checkpoint, newest, path_of, written

    if run.config.method.loop_rule is None:
        raise CheckpointError(
            f"--checkpoint is {which}, but the method of '{run.path}' writes no checkpoints.",
            "Finish the run with `lenity train`, then evaluate it without --checkpoint.",
        )
    while True:
        present = written(run.checkpoints)
        if not present:
            raise CheckpointError(
                f"'{run.path}' has no checkpoint yet.",
                f"The first is written after iteration {min(run.config.checkpoint.every, run.config.iterations)}.",
            )
        try:
            if which == "newest":
                checkpoint = newest(run.checkpoints, len(run.metrics()), notify)
                if checkpoint is not None:
                    return checkpoint
            elif which in present:
                return Checkpoint.load(path_of(run.checkpoints, which))
            else:
                raise CheckpointError(
                    f"--checkpoint is {which}, but '{run.path}' has checkpoints only of iterations {', '.join(map(str, present))}.",
                    "Give one of these, or newest.",
                )
        except CheckpointError:
            if written(run.checkpoints) == present:
                raise


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8
