"""Supervised fine-tuning through TRL's ``SFTTrainer``, with the loss on assistant turns and the EOS after each."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from lenity.config.stages import Optimisation, SFTConfig
from lenity.data import tokens
from lenity.data.human_assistant import segments
from lenity.data.loading import evenly_spaced
from lenity.data.preferences import load_transcripts
from lenity.data.seen import check_split, unseen
from lenity.data.tokens import Span, encode_turns
from lenity.errors import DataError
from lenity.finetuning import output, training
from lenity.finetuning.output import Output
from lenity.finetuning.progress import tracked
from lenity.finetuning.training import adapted
from lenity.models.window import readable

IGNORED = tokens.IGNORED


def run(config: SFTConfig, *, resume: bool = False, gently: bool = False) -> dict[str, Any]:
    """The report of the fine-tuning (also ``report.json``), after the model and its tokenizer were saved to ``output``.

    Args:
        config: configuration of the fine-tuning.
        resume: resume a fine-tuning that was interrupted in ``output``.
        gently: on SIGINT or SIGTERM, finish the current step, save a checkpoint and stop.

    Raises:
        CheckpointError: ``output`` already holds a model, or a training that cannot be resumed with these settings.
        DataError: the data have no usable rows.
        StoppedError: a signal stopped the training.
    """
    check_split(config.eval_data, config.data, ("eval_data", "data"))
    return output.run(config, partial(_train, config), resume=resume, gently=gently)


def _train(config: SFTConfig, folder: Output) -> dict[str, Any]:
    """The report, after the model was trained, evaluated and saved."""
    from lenity.models.scratch import build

    texts, read = load_transcripts(config.data)
    model, tokenizer = build(config, texts)
    longest = readable(config.max_length, model)
    rows = encode(texts, tokenizer, longest)
    held_out, left_out = _held_out(config, texts)
    report: dict[str, Any] = {}
    trainer = completion_trainer(
        adapted(model, config, "CAUSAL_LM", report), tokenizer, rows, config, folder.checkpoints,
        held_out=encode(held_out, tokenizer, longest) if held_out else None,
    )  # fmt: skip
    result = training.train(trainer, config, "fine-tuning", folder.notify, request=folder.request)
    report |= {
        "data": str(read),
        "rows": result.rows,
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": result.steps,
        "train_loss": result.loss,
        "non_finite_steps": result.non_finite_steps,
        "seconds": result.seconds,
    }
    if held_out:
        with tracked(trainer, "measuring", config.logging):
            loss = trainer.evaluate()["eval_loss"]
        report |= {"eval_rows": len(trainer.eval_dataset), "eval_rows_trained_on": left_out}
        report |= {"eval_loss": loss, "eval_perplexity": math.exp(min(loss, 50))}
    folder.save(trainer, tokenizer)
    return report


def _held_out(config: SFTConfig, texts: Sequence[str]) -> tuple[list[str], int]:
    """Held-out transcripts, and the number of those dropped because they are trained on."""
    if config.eval_data is None:
        return [], 0
    known, _ = load_transcripts(config.eval_data)
    fresh = unseen(known, texts, lambda text: [text], "eval_data")
    return evenly_spaced(fresh, config.eval_limit), len(known) - len(fresh)


def completion_trainer(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Mapping[str, list[int]]],
    settings: Optimisation,
    folder: Path,
    *,
    held_out: Sequence[Mapping[str, list[int]]] | None = None,
) -> Any:
    """An ``SFTTrainer`` of TRL on rows of ``input_ids`` and ``labels``, for :func:`lenity.finetuning.training.train`."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    return SFTTrainer(
        model=model,
        args=SFTConfig(
            **training.arguments(settings, folder, len(rows)),
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=Dataset.from_list(list(rows)),
        eval_dataset=Dataset.from_list(list(held_out)) if held_out else None,
        processing_class=tokenizer,
    )


def encode(texts: Sequence[str], tokenizer: Any, max_length: int) -> list[dict[str, list[int]]]:
    """Rows of ``input_ids`` and ``labels`` for TRL's collator; each transcript is tokenised as a whole.

    The label after an assistant turn is EOS even if the transcript continues, so that a prompted policy stops there. A transcript
    of more than ``max_length`` tokens is truncated after the last turn that fits; if the first turn does not fit, its end is kept.
    """
    cut = [pieces for text in texts if (pieces := segments(text))]
    if not cut:
        raise DataError(
            "no transcript has an assistant turn.", "Write transcripts as '\\n\\nHuman: ...\\n\\nAssistant: ...'."
        )
    wholes, turns = ["".join(piece for piece, _ in pieces) for pieces in cut], [spans(pieces) for pieces in cut]
    encoded = encode_turns(tokenizer, wholes, turns)
    for i, (ids, _) in enumerate(encoded):
        if len(ids) > max_length and len(turns[i]) > 1:
            encoded[i] = _turns_that_fit(tokenizer, wholes[i], turns[i], max_length)
    return [{"input_ids": ids[-max_length:], "labels": labels[-max_length:]} for ids, labels in encoded]


def _turns_that_fit(tokenizer: Any, text: str, turns: list[Span], max_length: int) -> tuple[list[int], list[int]]:
    """Ids and labels of ``text`` up to the end of the last turn that fits ``max_length`` tokens, or else of the first turn."""

    def up_to(count: int) -> tuple[list[int], list[int]]:
        return encode_turns(tokenizer, [text[: turns[count - 1].end]], [turns[:count]])[0]

    return up_to(max(1, bisect_right(range(1, len(turns)), max_length, key=lambda count: len(up_to(count)[0]))))


def spans(pieces: Sequence[tuple[str, bool]]) -> list[Span]:
    r"""The character spans of the assistant turns among ``pieces``, see :func:`segments`, in their joined text.

    >>> spans(segments("\n\nHuman: Hi\n\nAssistant: Hello"))
    [Span(start=23, end=29)]
    """
    ends = list(accumulate(len(piece) for piece, _ in pieces))
    return [Span(end - len(piece), end) for end, (piece, speaks) in zip(ends, pieces, strict=True) if speaks]
