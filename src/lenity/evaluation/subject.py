"""The aligned policy that is evaluated: a finished run's, or that of a checkpoint; and where its evaluation is kept."""

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
        run: its run.
        path: folder of its evaluation: the run's own, or one of the checkpoint's.
        iteration: of the checkpoint; None for the finished adapter.
        weights: the adapter's, by parameter, where they come from a checkpoint.
    """

    run: RunFolder
    path: Path
    iteration: int | None = None
    weights: Mapping[str, torch.Tensor] | None = None

    @classmethod
    def of(cls, run: RunFolder, which: Which | None, processes: Processes) -> Self:
        """The finished policy of ``run``, or that of the checkpoint ``which``.

        Raises:
            CheckpointError: there is no such checkpoint, or it is torn; those that are there are listed.
        """
        if which is None:
            return cls(run, run.path)
        from lenity.runs.checkpoint import POLICY

        newest = processes.broadcast_from_first(lambda: _load(run, which).iteration)
        found = _load(run, newest)
        weights = {name: value for name, value in found.weights.items() if name.startswith(POLICY)}
        return cls(run, checkpoint_place(run.path, found.iteration), found.iteration, weights)

    @property
    def label(self) -> str:
        """What sets its rows apart from the finished policy's; nothing for that one."""
        return of_iteration(self.iteration, self.run.config.iterations)

    def identity(self) -> list[Any]:
        """What its responses depend on, as JSON takes it."""
        if self.weights is None:
            return identity(self.run.adapter)
        digest = hashlib.sha256()
        for name, value in sorted(self.weights.items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.contiguous().flatten().view(_bytes()).numpy().tobytes())
        return ["checkpoint", self.iteration, digest.hexdigest()]

    def load(self, device: torch.device) -> tuple[Any, Any]:
        """The model and its tokenizer; ``model.disable_adapter()`` gives the reference.

        Raises:
            ModelError: the run has no adapter yet.
            CheckpointError: the weights are of another model or adapter.
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
                f"the checkpoint of iteration {self.iteration} is of another model or adapter than config.yaml of '{self.run.path}' names.",
                "Put the settings back that it was made with.",
            )
        model.load_state_dict(weights, strict=False)
        return model.eval(), tokenizer


def identity(model: str | Path) -> list[Any]:
    """Names, sizes and times of a local model's files; nothing for a hub name, whose revision says it."""
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        return []
    return [
        [f.name, f.stat().st_size, f.stat().st_mtime_ns]
        for f in sorted(folder.iterdir())
        if f.suffix in {".safetensors", ".bin", ".json"}
    ]


def _load(run: RunFolder, which: Which) -> Checkpoint:
    """A whole checkpoint; looked for again where training has removed or added one meanwhile."""
    from lenity.runs.checkpoint import Checkpoint, newest, path_of, written

    if run.config.method.loop_rule is None:
        raise CheckpointError(
            f"--checkpoint is {which}, but the method of '{run.path}' makes its adapter without checkpoints.",
            "Finish the run with `lenity train`, then evaluate it without --checkpoint.",
        )
    while True:
        there = written(run.checkpoints)
        if not there:
            raise CheckpointError(
                f"'{run.path}' has no checkpoint yet.",
                f"Its first is written after iteration {min(run.config.checkpoint.every, run.config.iterations)}.",
            )
        try:
            if which == "newest":
                found = newest(run.checkpoints, len(run.metrics()), notify)
                if found is not None:
                    return found
            elif which in there:
                return Checkpoint.load(path_of(run.checkpoints, which))
            else:
                raise CheckpointError(
                    f"--checkpoint is {which}, of which '{run.path}' has no checkpoint; there are {', '.join(map(str, there))}.",
                    "Give one of these, or newest.",
                )
        except CheckpointError:
            if written(run.checkpoints) == there:
                raise


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8
