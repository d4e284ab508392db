"""Supervised fine-tuning through TRL's ``SFTTrainer``: loss on assistant turns and on their ends."""

from __future__ import annotations

import json
import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from lenity.config.stages import SFTConfig, StageConfig
from lenity.data import tokens
from lenity.data.human_assistant import segments
from lenity.data.loading import evenly_spaced
from lenity.data.preferences import load_transcripts
from lenity.data.seen import check_split, unseen
from lenity.data.tokens import Span, encode_turns
from lenity.errors import DataError, ModelError
from lenity.models.window import readable

IGNORED = tokens.IGNORED


def run(config: SFTConfig) -> dict[str, Any]:
    """Train, write the model and its tokenizer to ``output``, and return the report (also ``report.json``)."""
    from datasets import Dataset
    from trl import SFTConfig as Arguments
    from trl import SFTTrainer

    from lenity.finetuning.guard import Guard
    from lenity.finetuning.progress import tracked
    from lenity.models.scratch import build

    check_split(config.eval_data, config.data, ("eval_data", "data"))
    texts, read = load_transcripts(config.data)
    model, tokenizer = build(config, texts)
    longest = readable(config.max_length, model)
    rows = encode(texts, tokenizer, longest)
    held_out = None
    if config.eval_data:
        found, _ = load_transcripts(config.eval_data)
        fresh = unseen(found, texts, lambda text: [text], "eval_data")
        held_out = encode(evenly_spaced(fresh, config.eval_limit), tokenizer, longest)
    report: dict[str, Any] = {}
    trainer = SFTTrainer(
        model=adapted(model, config, "CAUSAL_LM", report),
        args=Arguments(**arguments(config, len(rows)), max_length=None, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        processing_class=tokenizer,
    )
    guard = Guard(config.non_finite_steps)
    trainer.add_callback(guard)
    start = time.perf_counter()
    try:
        with tracked(trainer, "fine-tuning", config.logging):
            result = trainer.train()
    except (AttributeError, TypeError, NotImplementedError) as error:
        if trainer.state.global_step:
            raise
        raise ModelError(  # TRL computes the loss of a causal model by itself, for which not every architecture is made
            f"TRL cannot fine-tune a {type(model).__name__} ({type(error).__name__}: {error}).",
            "Choose another model, or another release of TRL.",
        ) from error
    report |= {
        "data": str(read),
        "rows": len(rows),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": result.global_step,
        "train_loss": result.training_loss,
        "non_finite_steps": guard.skipped,
        "seconds": round(time.perf_counter() - start, 1),
    }
    if held_out:
        with tracked(trainer, "measuring", config.logging):
            loss = trainer.evaluate()["eval_loss"]
        report |= {"eval_rows": len(held_out), "eval_rows_trained_on": len(found) - len(fresh)}
        report |= {"eval_loss": loss, "eval_perplexity": math.exp(min(loss, 50))}
    save(trainer, tokenizer, config, report)
    return report


def encode(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Rows of ``input_ids`` and ``labels`` for TRL's collator; a transcript is tokenised as a whole.

    The label after an assistant turn is the end of sequence, also where the transcript goes on, so that a
    prompted policy stops. A long transcript is cut to the turns that fit; a first turn that does not fit
    keeps its end.
    """
    cut = [pieces for text in texts if (pieces := segments(text))]
    if not cut:
        raise DataError(
            "no transcript has an assistant turn.", "Give them the form '\\n\\nHuman: ...\\n\\nAssistant: ...'."
        )
    wholes, turns = ["".join(piece for piece, _ in pieces) for pieces in cut], [spans(pieces) for pieces in cut]
    encoded = encode_turns(tokenizer, wholes, turns)
    for i, (ids, _) in enumerate(encoded):
        if len(ids) > max_length and len(turns[i]) > 1:
            encoded[i] = _turns_that_fit(tokenizer, wholes[i], turns[i], max_length)
    return [{"input_ids": ids[-max_length:], "labels": labels[-max_length:]} for ids, labels in encoded]


def _turns_that_fit(tokenizer: Any, text: str, turns: list[Span], max_length: int) -> tuple[list[int], list[int]]:
    """Ids and labels of the longest transcript up to the end of a turn that is not too long, or of the first turn's."""

    def up_to(count: int) -> tuple[list[int], list[int]]:
        return encode_turns(tokenizer, [text[: turns[count - 1].end]], [turns[:count]])[0]

    return up_to(max(1, bisect_right(range(1, len(turns)), max_length, key=lambda count: len(up_to(count)[0]))))


def spans(pieces: Sequence[tuple[str, bool]]) -> list[Span]:
    r"""Where the assistant turns among ``pieces``, see :func:`segments`, lie in their joined text.

    >>> spans(segments("\n\nHuman: Hi\n\nAssistant: Hello"))
    [Span(start=23, end=29)]
    """
    ends = list(accumulate(len(piece) for piece, _ in pieces))
    return [Span(end - len(piece), end) for end, (piece, speaks) in zip(ends, pieces, strict=True) if speaks]


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


def adapted(model: Any, config: StageConfig, task: str, report: dict[str, Any]) -> Any:
    """``model`` with the LoRA of the configuration, or itself; ``report`` gets what ``all-linear`` leaves out.

    Raises:
        ModelError: see :func:`lenity.models.adapter.attach`; also an adapter of the head of a model that TRL fine-tunes.
    """
    if config.lora is None:
        return model
    from lenity.models.adapter import attach

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


def save(trainer: Any, tokenizer: Any, config: StageConfig, report: dict[str, Any]) -> Any:
    """Write the merged model, the tokenizer and the report; returns the model."""
    from lenity.models.merge import merge
    from lenity.models.merge import save as save_model

    model = trainer.accelerator.unwrap_model(trainer.model)
    model = merge(model) if config.lora else model
    if config.trust_remote_code:
        report["trust_remote_code"] = True
    if trainer.is_world_process_zero():
        folder = Path(config.output)
        save_model(model, folder)
        tokenizer.save_pretrained(folder)
        (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return model


def _has_bf16() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
