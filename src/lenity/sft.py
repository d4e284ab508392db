"""Supervised fine-tuning through TRL's ``SFTTrainer``: loss on assistant turns and on their ends."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lenity.config.stages import SFTConfig, StageConfig
from lenity.data.base import ASSISTANT
from lenity.data.loading import every
from lenity.data.preferences import load_transcripts
from lenity.data.seen import check_split, unseen
from lenity.errors import DataError

IGNORED = -100


def run(config: SFTConfig) -> dict[str, Any]:
    """Train, write the model and its tokenizer to ``output``, and return the report (also ``report.json``)."""
    from datasets import Dataset
    from trl import SFTConfig as Arguments
    from trl import SFTTrainer

    from lenity.models.scratch import build
    from lenity.training_bar import show_progress
    from lenity.training_guard import Guard

    check_split(config.eval_data, config.data, ("eval_data", "data"))
    texts, read = load_transcripts(config.data)
    model, tokenizer = build(config, texts)
    rows = encode(texts, tokenizer, config.max_length)
    held_out = None
    if config.eval_data:
        found, _ = load_transcripts(config.eval_data)
        fresh = unseen(found, texts, lambda text: [text], "eval_data")
        held_out = encode(every(fresh, config.eval_limit), tokenizer, config.max_length)
    trainer = SFTTrainer(
        model=model,
        args=Arguments(**arguments(config, len(rows)), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        processing_class=tokenizer,
        peft_config=adapter(config, "CAUSAL_LM"),
    )
    show_progress(trainer, "fine-tuning", config.progress)
    guard = Guard(config.non_finite_steps)
    trainer.add_callback(guard)
    start = time.perf_counter()
    result = trainer.train()
    report: dict[str, Any] = {
        "data": str(read),
        "rows": len(rows),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": result.global_step,
        "train_loss": result.training_loss,
        "non_finite_steps": guard.skipped,
        "seconds": round(time.perf_counter() - start, 1),
    }
    if held_out:
        loss = trainer.evaluate()["eval_loss"]
        report |= {"eval_rows": len(held_out), "eval_rows_trained_on": len(found) - len(fresh)}
        report |= {"eval_loss": loss, "eval_perplexity": math.exp(min(loss, 50))}
    save(trainer, tokenizer, config, report)
    return report


def segments(transcript: str) -> list[tuple[str, bool]]:
    r"""(text, is an assistant turn), cut exactly where a policy is prompted; text after the last turn is left out.

    >>> segments("\n\nHuman: Hi\n\nAssistant: Hello")
    [('\n\nHuman: Hi\n\nAssistant:', False), (' Hello', True)]
    """
    out: list[tuple[str, bool]] = []
    context, speaks = "", False
    for piece in re.split(r"(\n\nHuman:|\n\nAssistant:)", transcript):
        if speaks and piece.strip():
            out += [(context, False), (piece, True)]
            context = ""
        else:
            context += piece
        speaks = piece == ASSISTANT
    return out


def encode(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Rows of ``input_ids`` and ``labels`` for TRL's collator.

    The label after an assistant turn is the end of sequence, also where the transcript goes on, so that a
    prompted policy stops. A long transcript is cut to the turns that fit; a first turn that does not fit
    keeps its end.
    """
    eos = tokenizer.eos_token_id
    parts = [segments(text) for text in texts]
    flat = [piece for pieces in parts for piece, _ in pieces]
    if not flat:
        raise DataError(
            "no transcript has an assistant turn.", "Give them the form '\\n\\nHuman: ...\\n\\nAssistant: ...'."
        )
    ids = iter(tokenizer(flat, add_special_tokens=False)["input_ids"])
    rows = []
    for pieces in parts:
        inputs: list[int] = (
            [] if tokenizer.bos_token_id is None or not _adds_bos(tokenizer) else [tokenizer.bos_token_id]
        )
        labels, end = [IGNORED] * len(inputs), 0
        for _, speaks in pieces:
            tokens = next(ids)
            context = [IGNORED] * len(tokens)
            if not speaks and end and tokens:
                context[0] = eos  # the turn before ends here
            inputs, labels = inputs + tokens, labels + (tokens if speaks else context)
            if speaks and (not end or len(inputs) < max_length):
                end = len(inputs)
        if end:
            row = {"input_ids": [*inputs[:end], eos][-max_length:], "labels": [*labels[:end], eos][-max_length:]}
            rows.append(row)
    return rows


def arguments(config: StageConfig, rows: int) -> dict[str, Any]:
    """What the trainers of both stages share, as ``TrainingArguments`` fields."""
    steps = config.max_steps or math.ceil(config.epochs * math.ceil(rows / (config.batch_size * config.accumulation)))
    return {
        "output_dir": config.output,
        "seed": config.seed,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.accumulation,
        "learning_rate": config.learning_rate,
        "weight_decay": config.weight_decay,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(config.warmup * steps),
        "max_grad_norm": config.max_grad_norm,
        "gradient_checkpointing": False,
        "bf16": _has_bf16(),
        "save_strategy": "no",
        "report_to": "none",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def adapter(config: StageConfig, task: str) -> Any:
    """The LoRA of the configuration for PEFT, or None."""
    if config.lora is None:
        return None
    from peft import LoraConfig

    lora = config.lora
    return LoraConfig(
        task_type=task, r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.target_modules
    )


def save(trainer: Any, tokenizer: Any, config: StageConfig, report: dict[str, Any]) -> Any:
    """Write the merged model, the tokenizer and the report; returns the model."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    model = model.merge_and_unload() if config.lora else model
    if config.trust_remote_code:
        report["trust_remote_code"] = True
    if trainer.is_world_process_zero():
        folder = Path(config.output)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return model


def _adds_bos(tokenizer: Any) -> bool:
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and ids[0] == tokenizer.bos_token_id


def _has_bf16() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
