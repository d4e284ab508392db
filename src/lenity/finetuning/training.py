"""Trainings outside the loop: what supervised fine-tuning, reward models and Rewards-in-Context share, data and loss aside.

A caller builds a trainer of transformers or TRL with :func:`arguments` on its own model and rows; :func:`train` runs it.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate.utils import gather_object

from lenity.config.stages import Optimisation, StageConfig
from lenity.distributed import launch
from lenity.distributed.stopping import StopRequest
from lenity.errors import CheckpointError, ConfigError, ModelError, StoppedError
from lenity.finetuning.checkpoints import Checkpoints, check, newest, read
from lenity.finetuning.guard import Guard
from lenity.finetuning.progress import tracked
from lenity.models.adapter import attach
from lenity.storage.atomic_io import writing

FREE_TO_CHANGE = {"non_finite_steps", "checkpoint_every", "logging"}  # a training goes the same way with any of them
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclass(frozen=True)
class Result:
    """What a training did, over all its sessions.

    Attributes:
        rows: rows of the data.
        steps: optimizer steps.
        loss: mean over the steps.
        non_finite_steps: steps that were skipped.
        seconds: in training.
    """

    rows: int
    steps: int
    loss: float
    non_finite_steps: int
    seconds: float


def arguments(settings: Optimisation, folder: str | Path, rows: int) -> dict[str, Any]:
    """Fields of ``TrainingArguments`` for a training on ``rows`` rows, whose checkpoints are in ``folder``."""
    per_epoch = math.ceil(rows / (settings.batch_size * settings.accumulation))
    steps = settings.max_steps or math.ceil(settings.epochs * per_epoch)
    return {
        "output_dir": str(folder),
        "seed": settings.seed,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.accumulation,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "lr_scheduler_type": SCHEDULES[settings.schedule],
        "warmup_steps": round(settings.warmup * steps),
        "max_grad_norm": settings.max_grad_norm,
        "gradient_checkpointing": False,
        "bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        "save_strategy": "no",  # :class:`Checkpoints` says when
        "save_only_model": True,
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def adapted(model: Any, config: StageConfig, task: str, report: dict[str, Any]) -> Any:
    """``model`` with the LoRA of the configuration, or itself; ``report`` gets what ``all-linear`` leaves out.

    Raises:
        ModelError: see :func:`lenity.models.adapter.attach`; also an adapter of the head of a model that TRL fine-tunes.
    """
    if config.lora is None:
        return model
    notes: list[str] = []
    head = model.get_output_embeddings()
    found = attach(model, config.lora, field="lora", task=task, notify=notes.append)
    if found.get_base_model().get_output_embeddings() is not head:
        raise ModelError(
            f"lora.target_modules is {config.lora.target_modules}, and TRL computes the loss from the head's weights past their adapter.",
            "Leave the head out of them, or lora out, which trains all weights.",
        )
    if notes:
        report["without_adapter"] = notes
    return found


def train(
    trainer: Any,
    settings: Optimisation,
    title: str,
    notify: Callable[[str], None],
    *,
    request: StopRequest | None = None,
    otherwise: Literal["refuse", "restart"] = "refuse",
) -> Result:
    """Train ``trainer``'s model from its newest checkpoint, or from the start where there is none.

    Args:
        trainer: of transformers or TRL, built with :func:`arguments`.
        settings: those of its arguments.
        title: what is shown beside the progress.
        notify: gets a sentence on each checkpoint that cannot be used.
        request: of a user to stop, looked at after each step.
        otherwise: what becomes of a checkpoint that was made with other rows, settings or a number of processes.

    Raises:
        CheckpointError: such a checkpoint is refused, or one cannot be written.
        ConfigError: the launcher started processes that do not train together.
        ModelError: the trainer cannot compute the model's loss.
        NumericalError: more than ``settings.non_finite_steps`` steps were not finite.
        StoppedError: the training stopped on ``request`` and is saved.
    """
    if (seen := trainer.args.world_size) != (launched := launch.launched()):
        raise ConfigError(
            f"the launcher started {launched} processes, of which transformers sees {seen}, so that each would train alone.",
            "Start it without a launcher, or on processes with a GPU each.",
        )
    folder, start = Path(trainer.args.output_dir), time.perf_counter()
    made_with = cache(lambda: _made_with(trainer, settings))
    source = _source(folder, made_with, notify, otherwise)
    before: dict[str, Any] = read(source) if source else {"non_finite_steps": 0, "seconds": 0.0}
    guard = Guard(settings.non_finite_steps, before["non_finite_steps"])

    def seconds() -> float:
        return round(float(before["seconds"]) + time.perf_counter() - start, 1)

    def state() -> dict[str, Any]:
        return {"made_with": made_with(), "non_finite_steps": guard.skipped, "seconds": seconds()}

    def stopping() -> bool:
        return request is not None and any(gather_object([request.came is not None]))

    trainer.add_callback(guard)
    trainer.add_callback(Checkpoints(settings.checkpoint_every, stopping, state, source))
    with tracked(trainer, title, settings.logging), writing(folder):
        steps = _steps(trainer, source)
    if steps < trainer.state.max_steps:
        raise StoppedError(
            f"The training ended early, after step {steps} of {trainer.state.max_steps}; everything is saved.",
            "Go on with resume=True.",
            request.exit_code if request else 0,
        )
    return Result(len(trainer.train_dataset), steps, _loss(trainer.state), guard.skipped, seconds())


def _source(
    folder: Path, made_with: Callable[[], dict[str, Any]], notify: Callable[[str], None], otherwise: str
) -> Path | None:
    """The checkpoint to go on from."""
    found = newest(folder, notify)
    if found is None:
        return None
    try:
        check(found, made_with())
    except CheckpointError as error:
        if otherwise == "refuse":
            raise
        notify(f"The training begins again: {error.what}")
        shutil.rmtree(folder)
        return None
    return found


def _steps(trainer: Any, source: Path | None) -> int:
    """Train; how many steps are done."""
    try:
        return int(trainer.train(resume_from_checkpoint=str(source) if source else None).global_step)
    except (AttributeError, TypeError, NotImplementedError) as error:
        if trainer.state.global_step:
            raise
        model = getattr(trainer.model, "get_base_model", lambda: trainer.model)()
        raise ModelError(  # TRL computes losses by itself, for which not every architecture is made
            f"TRL cannot fine-tune a {type(model).__name__} ({type(error).__name__}: {error}).",
            "Choose another model, or another release of TRL.",
        ) from error


def _made_with(trainer: Any, settings: Optimisation) -> dict[str, Any]:
    """What a checkpoint must agree with so that the training ends as if it had not been interrupted."""
    trained = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    return {
        **settings.model_dump(mode="json", include=set(Optimisation.model_fields) - FREE_TO_CHANGE),
        "rows": f"{len(trainer.train_dataset)} with SHA-256 {_digest(trainer.train_dataset)}",
        "trained": f"{sum(parameter.numel() for parameter in trained)} numbers in {len(trained)} tensors",
        "processes": trainer.args.world_size,
    }


def _digest(rows: Any) -> str:
    """Of token ids and labels, the same wherever the data lie."""
    digest = hashlib.sha256()
    for row in rows:
        for name in sorted(row):
            values = np.atleast_1d(np.asarray(row[name], dtype=np.int64))
            digest.update(f"{name} {len(values)} ".encode() + values.tobytes())
    return digest.hexdigest()


def _loss(state: Any) -> float:
    """Mean over all steps, from the means that were logged at each checkpoint and at the end."""
    total, last = 0.0, 0
    for entry in state.log_history:
        if "loss" in entry:
            total += entry["loss"] * ((entry["step"] - last) / state.global_step)
            last = entry["step"]
    return total
