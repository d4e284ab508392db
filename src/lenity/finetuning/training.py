"""Training with a trainer of transformers or TRL, as used by supervised fine-tuning, reward models and Rewards-in-Context.

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

FREE_TO_CHANGE = {
    "non_finite_steps",
    "checkpoint_every",
    "logging",
}  # settings without influence on the trained weights
SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


@dataclass(frozen=True)
class Result:
    """The result of a training, over all its sessions.

    Attributes:
        rows: number of training rows.
        steps: number of optimizer steps.
        loss: mean loss over the steps.
        non_finite_steps: number of steps that were skipped.
        seconds: time spent in training.
    """

    rows: int
    steps: int
    loss: float
    non_finite_steps: int
    seconds: float


def arguments(settings: Optimisation, folder: str | Path, rows: int) -> dict[str, Any]:
    """The fields of ``TrainingArguments`` for a training on ``rows`` rows, with its checkpoints in ``folder``."""
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
        "save_strategy": "no",  # :class:`Checkpoints` decides when to save
        "save_only_model": True,
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def adapted(model: Any, config: StageConfig, task: str, report: dict[str, Any]) -> Any:
    """``model`` with the LoRA adapter of the configuration, or unchanged without one; ``report`` gets the layers left out.

    Raises:
        ModelError: see :func:`lenity.models.adapter.attach`; also if the adapter is on the head, which TRL would ignore.
    """
    if config.lora is None:
        return model
    notes: list[str] = []
    head = model.get_output_embeddings()
    peft_model = attach(model, config.lora, field="lora", task=task, notify=notes.append)
    if peft_model.get_base_model().get_output_embeddings() is not head:
        raise ModelError(
            f"lora.target_modules is {config.lora.target_modules}, but TRL computes the loss from the head's weights without its adapter.",
            "Leave the head out of target_modules, or leave lora out to train all weights.",
        )
    if notes:
        report["without_adapter"] = notes
    return peft_model


def train(
    trainer: Any,
    settings: Optimisation,
    title: str,
    notify: Callable[[str], None],
    *,
    request: StopRequest | None = None,
    otherwise: Literal["refuse", "restart"] = "refuse",
) -> Result:
    """The result of training ``trainer``'s model, resumed from its newest checkpoint if there is one.

    Args:
        trainer: a trainer of transformers or TRL, built with :func:`arguments`.
        settings: the settings that its arguments were made from.
        title: text of the progress display.
        notify: called with a sentence per checkpoint that cannot be used.
        request: a request to stop, checked after each step.
        otherwise: how to treat a checkpoint made with other rows, settings or number of processes: refuse it, or restart without it.

    Raises:
        CheckpointError: such a checkpoint was refused, or a checkpoint cannot be written.
        ConfigError: the launcher started processes that do not train together.
        ModelError: the trainer cannot compute the model's loss.
        NumericalError: more than ``settings.non_finite_steps`` steps were not finite.
        StoppedError: the training stopped on ``request``; a checkpoint is saved.
    """
    if (world_size := trainer.args.world_size) != (launched := launch.launched()):
        raise ConfigError(
            f"the launcher started {launched} processes, but transformers sees {world_size}, so that each would train alone.",
            "Start the command without a launcher, or give each process a GPU.",
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
            "Resume it with resume=True.",
            request.exit_code if request else 0,
        )
    return Result(len(trainer.train_dataset), steps, _loss(trainer.state), guard.skipped, seconds())


def _source(
    folder: Path, made_with: Callable[[], dict[str, Any]], notify: Callable[[str], None], otherwise: str
) -> Path | None:
    """The checkpoint to resume from, or None."""
    checkpoint = newest(folder, notify)
    if checkpoint is None:
        return None
    try:
        check(checkpoint, made_with())
    except CheckpointError as error:
        if otherwise == "refuse":
            raise
        notify(f"The training starts again: {error.what}")
        shutil.rmtree(folder)
        return None
    return checkpoint


def _steps(trainer: Any, source: Path | None) -> int:
    """The number of optimizer steps done, after the trainer has run."""
    try:
        return int(trainer.train(resume_from_checkpoint=str(source) if source else None).global_step)
    except (AttributeError, TypeError, NotImplementedError) as error:
        if trainer.state.global_step:
            raise
        model = getattr(trainer.model, "get_base_model", lambda: trainer.model)()
        raise ModelError(  # TRL computes losses itself, which does not work with every architecture
            f"TRL cannot fine-tune a {type(model).__name__} ({type(error).__name__}: {error}).",
            "Choose another model, or another release of TRL.",
        ) from error


def _made_with(trainer: Any, settings: Optimisation) -> dict[str, Any]:
    """The data, settings and sizes that must equal a checkpoint's for a resumed training to give the same model."""
    trained = [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]
    return {
        **settings.model_dump(mode="json", include=set(Optimisation.model_fields) - FREE_TO_CHANGE),
        "rows": f"{len(trainer.train_dataset)} with SHA-256 {_digest(trainer.train_dataset)}",
        "trained": f"{sum(parameter.numel() for parameter in trained)} numbers in {len(trained)} tensors",
        "processes": trainer.args.world_size,
    }


def _digest(rows: Any) -> str:
    """The SHA-256 of token ids and labels, independent of the files that hold the data."""
    digest = hashlib.sha256()
    for row in rows:
        for name in sorted(row):
            values = np.atleast_1d(np.asarray(row[name], dtype=np.int64))
            digest.update(f"{name} {len(values)} ".encode() + values.tobytes())
    return digest.hexdigest()


def _loss(state: Any) -> float:
    """The mean loss over all steps, from the means that were logged at each checkpoint and at the end."""
    total, last = 0.0, 0
    for entry in state.log_history:
        if "loss" in entry:
            total += entry["loss"] * ((entry["step"] - last) / state.global_step)
            last = entry["step"]
    return total
