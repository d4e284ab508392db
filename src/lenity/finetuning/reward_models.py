"""Reward models: from preference pairs through TRL's ``RewardTrainer``, or from labels as a two-class classifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lenity.config.stages import RewardTrainingConfig
from lenity.console.progress import track
from lenity.data.base import ReadReport
from lenity.data.loading import evenly_spaced
from lenity.data.preferences import Labelled, Pair, load_labels, load_pairs
from lenity.data.seen import check_split, unseen
from lenity.distributed import launch
from lenity.errors import RewardError
from lenity.finetuning import output, training
from lenity.finetuning.output import Output
from lenity.finetuning.training import adapted
from lenity.models.window import readable
from lenity.pareto import confidence
from lenity.rewards.asking import score_all
from lenity.rewards.reward_model import SETTINGS_FILE, RewardModelSpec
from lenity.rewards.templates import encode, padding_side

SATURATED = 4.6  # |logit| above which a logistic loss has less than 1 % of its maximum gradient


def run(config: RewardTrainingConfig, *, resume: bool = False, gently: bool = False) -> dict[str, Any]:
    """The report of a reward model's training (also ``report.json``), after the model, its tokenizer and its settings were saved.

    The report's numbers come from the saved model, loaded and scored as in alignment.

    Args:
        config: configuration of the training.
        resume: resume a training that was interrupted in ``output``, or evaluate its saved model.
        gently: on SIGINT or SIGTERM, finish the current step, save a checkpoint and stop.

    Raises:
        CheckpointError: ``output`` already holds a model, or a training that cannot be resumed with these settings.
        DataError: the data have no usable rows.
        RewardError: the template does not fit the model.
        StoppedError: a signal stopped the training.
    """
    return output.run(config, partial(_train_and_measure, config), resume=resume, gently=gently)


def _train_and_measure(config: RewardTrainingConfig, folder: Output) -> dict[str, Any]:
    rows, held_out, read, left_out = _rows(config)
    report = folder.trained
    if report is None:
        report = _train(config, folder, rows) | {"data": str(read), "held_out_rows_trained_on": left_out}
        folder.keep(report)
    return report | _measure(config, held_out)


def _train(config: RewardTrainingConfig, folder: Output, rows: list[Any]) -> dict[str, Any]:
    """The report of the training, after the model was trained and saved."""
    report: dict[str, Any] = {}
    trainer, tokenizer = _trainer(config, folder, rows, report)
    result = training.train(trainer, config, "training the reward", folder.notify, request=folder.request)
    _write_settings(
        config, readable(config.max_length, trainer.model)
    )  # before the weights: a folder with weights is complete
    model = folder.save(trainer, tokenizer)
    return report | {
        "rows": result.rows,
        "steps": result.steps,
        "non_finite_steps": result.non_finite_steps,
        "seconds": result.seconds,
        "parameters": model.num_parameters(),
    }


def _write_settings(config: RewardTrainingConfig, max_length: int) -> None:
    """Save the model's template, label, output and maximum length; rewards of type ``model`` take their defaults from this file."""
    settings = {
        "template": config.template,
        "label": config.label if config.labels else 0,
        "output": config.output_kind,
        "max_length": max_length,
    }
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def split(items: Sequence[Any], share: float) -> tuple[list[Any], list[Any]]:
    """Training and held-out items: the first ``share`` of the prompts, ordered by hash, is held out with all items of each.

    >>> split([Labelled("", text, 0) for text in "abcd"], 0.25)[1]
    [Labelled(prompt='', response='d', label=0)]
    """
    keys = [item.prompt or item.response for item in items]
    distinct = sorted(set(keys), key=lambda key: hashlib.sha256(key.encode()).digest())
    chosen = set(distinct[: max(1, round(share * len(distinct)))])
    pairs = list(zip(keys, items, strict=True))
    return [item for key, item in pairs if key not in chosen], [item for key, item in pairs if key in chosen]


def _rows(config: RewardTrainingConfig) -> tuple[list[Any], list[Any], ReadReport, int]:
    """Training rows, held-out rows, a report of the reading, and the number of held-out rows dropped as their texts are trained on."""
    source, other = config.pairs or config.labels, config.eval_pairs or config.eval_labels
    fields = ("eval_pairs", "pairs") if config.pairs else ("eval_labels", "labels")
    load: Any = load_pairs if config.pairs else load_labels
    check_split(other, source, fields)
    rows, report = load(source)
    rows, held_out = (rows, load(other)[0]) if other is not None else split(rows, config.holdout)
    if not rows:
        raise RewardError(
            f"holdout is {config.holdout}, which leaves no rows to train on in {report}.", "Lower it or add data."
        )
    fresh = unseen(held_out, [text for row in rows for text in _whole(row)], _whole, fields[0])
    return rows, evenly_spaced(fresh, config.eval_limit), report, len(held_out) - len(fresh)


def _trainer(config: RewardTrainingConfig, folder: Output, rows: list[Any], report: dict[str, Any]) -> tuple[Any, Any]:
    from datasets import Dataset
    from transformers import set_seed

    from lenity.models.scratch import build

    texts = [row.prompt + text for row in rows for text in _texts(row)]
    model, tokenizer = build(config, texts, num_labels=1 if config.pairs else 2)
    if config.pairs:
        set_seed(config.seed)  # as RewardTrainer does before it makes an adapter itself
    model = adapted(model, config, "SEQ_CLS", report)
    tokenizer.padding_side = padding_side(model)
    arguments = training.arguments(config, folder.checkpoints, len(rows))
    longest = readable(config.max_length, model)
    prompts = [row.prompt for row in rows]
    columns = [
        encode(tokenizer, config.template, prompts, [_texts(row)[side] for row in rows], longest)
        for side in range(2 if config.pairs else 1)
    ]
    if config.pairs:
        if "token_type_ids" in columns[0][0]:
            raise RewardError(
                f"template is 'pair', but '{config.model}' distinguishes its two texts by token types, which TRL's RewardTrainer "
                "does not pass to the model.",
                "Train with --template transcript.",
            )
        ids = {
            name: [row["input_ids"] for row in column]
            for name, column in zip(("chosen_ids", "rejected_ids"), columns, strict=True)
        }
        return _pair_trainer(arguments, model, tokenizer, Dataset.from_dict(ids)), tokenizer
    data = [encoded | {"labels": row.label} for encoded, row in zip(columns[0], rows, strict=True)]
    return _label_trainer(arguments, model, tokenizer, Dataset.from_list(data)), tokenizer


def _pair_trainer(arguments: dict[str, Any], model: Any, tokenizer: Any, data: Any) -> Any:
    from trl import RewardConfig, RewardTrainer

    settings = RewardConfig(**arguments, max_length=None)
    return RewardTrainer(model=model, args=settings, train_dataset=data, processing_class=tokenizer)


def _label_trainer(arguments: dict[str, Any], model: Any, tokenizer: Any, data: Any) -> Any:
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    collator = DataCollatorWithPadding(tokenizer)
    return Trainer(model=model, args=TrainingArguments(**arguments), train_dataset=data, data_collator=collator)


def _texts(row: Pair | Labelled) -> tuple[str, ...]:
    return (row.chosen, row.rejected) if isinstance(row, Pair) else (row.response,)


def _whole(row: Pair | Labelled) -> list[str]:
    return [row.prompt + text for text in _texts(row)]


def _measure(config: RewardTrainingConfig, held_out: list[Any]) -> dict[str, Any]:
    """The accuracy of the saved model with its interval, the longer-wins baseline, and mean, deviation and saturation of the scores."""
    from accelerate import PartialState

    reward = RewardModelSpec(model=config.output).load(PartialState().device)
    prompts = [row.prompt for row in held_out]

    def scores_of(reward: Any, texts: Sequence[str]) -> Any:
        return np.array(score_all({config.output: reward}, prompts, texts)[config.output])

    sides = list(zip(*map(_texts, held_out), strict=True))
    with track(
        "scoring held-out rows", len(sides), unit="columns", settings=config.logging, shown=launch.leads()
    ) as advance:
        columns = []
        for texts in sides:
            columns.append(scores_of(reward, texts))
            advance()
    lengths = [np.array([len(text) for text in texts]) for texts in sides]
    if config.pairs:
        right, longer = _wins(*columns), float(_wins(*lengths).mean())
    else:
        positive = np.array([row.label == config.label for row in held_out])
        sure = scores_of(replace(reward, probability=True), [row.response for row in held_out])
        right, longer = (sure > 0.5) == positive, _longer_wins(lengths[0], positive)
    interval = confidence.mean(right.astype(float))
    scores = np.concatenate(columns)
    logits = np.log(scores / (1 - scores)) if config.output_kind == "probability" else scores
    return {
        "held_out_rows": len(held_out),
        "accuracy": interval.value,
        "accuracy_interval": [interval.low, interval.high],
        "longer_wins": longer,
        "score_mean": float(scores.mean()),
        "score_std": float(scores.std(ddof=1)),
        "saturation": float((np.abs(logits) > SATURATED).mean()),
    }


def _wins(first: Any, second: Any) -> Any:
    """1 where ``first`` is larger than ``second``, 0.5 where they are equal, else 0."""
    return (first > second) + 0.5 * (first == second)


def _longer_wins(lengths: Any, positive: Any) -> float:
    """The probability that a text of the positive class is longer than one of the other class, ties counted half."""
    from scipy.stats import mannwhitneyu

    if positive.all() or not positive.any():
        raise RewardError(
            "the held-out labels are all of one class, so accuracy says nothing.",
            "Add held-out rows of the other class.",
        )
    ours, others = lengths[positive], lengths[~positive]
    return float(mannwhitneyu(ours, others).statistic / (len(ours) * len(others)))
