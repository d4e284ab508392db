"""A sequence-classification model as a reward: ``type: model``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from lenity.config.sections import Precision
from lenity.config.stages import Template
from lenity.data.human_assistant import question
from lenity.errors import RewardError
from lenity.models.precision import dtype_of
from lenity.models.source import loading
from lenity.models.window import last_position, readable, window
from lenity.rewards.base import REWARDS, Reward, RewardSpec
from lenity.rewards.templates import encode, padding_side

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lenity.models.probe import Batching

SETTINGS_FILE = "lenity_reward.json"  # `lenity reward` writes it beside the weights


class RewardModelSpec(RewardSpec):
    """A sequence-classification model whose output is the score.

    Fields that are not set have the value in the model's ``lenity_reward.json``, or else the default in their description.
    """

    places = ("model",)
    model: str = Field(
        description="hub name or local folder of a sequence-classification model", examples=["org/helpful-reward-model"]
    )
    revision: str | None = Field(None, description="branch, tag or commit on the hub; default: its main branch")
    template: Template | None = Field(
        None,
        description="text that the model reads: prompt and response as a pair, one transcript, or the response alone; default: transcript",
    )
    label: int | None = Field(
        None, ge=0, description="index of the output that is the score; default: 0, for a model with one output"
    )
    output: Literal["logit", "probability"] | None = Field(
        None, description="whether the score is the logit or its probability; default: logit"
    )
    sign: int = Field(1, ge=-1, le=1, description="1, or -1 if a lower score is better")
    max_length: int | None = Field(
        None,
        ge=8,
        description="most tokens that the model reads, the last ones of a longer text; default: the model's limit, at most 1024",
    )
    batch_size: int = Field(32, ge=1, description="texts per forward pass")
    dtype: Precision = Field(
        "auto",
        description="number format of the weights; auto: bfloat16 on an accelerator that supports it, float32 on a CPU",
    )
    trust_remote_code: bool = Field(
        False,
        description="run Python code that the model's repository contains; set it only for sources that you trust",
    )

    def load(self, device: torch.device) -> RewardModel:
        """The reward with its tokenizer and model, ready to score.

        Raises:
            RewardError: the model is not found or has no trained head, or ``label`` is not one of its outputs.
        """
        stored = _stored(self.model)
        model, tokenizer = _load(self, device)
        outputs = int(model.config.num_labels)
        label = self.label if self.label is not None else stored.get("label", 0 if outputs == 1 else None)
        if label is None or not 0 <= label < outputs:
            raise RewardError(
                f"label of reward model '{self.model}' is {label}, but it has {outputs} outputs {model.config.id2label}.",
                f"Set label to 0..{outputs - 1}, the one whose score is better when higher.",
            )
        limit = self.max_length or stored.get("max_length") or _longest(model, tokenizer)
        reward = RewardModel(
            model, tokenizer,
            template=self.template or stored.get("template", "transcript"), label=label,
            probability=(self.output or stored.get("output", "logit")) == "probability",
            sign=self.sign, max_length=readable(limit, model), most=last_position(model),
            batch_size=1 if tokenizer.pad_token_id is None else self.batch_size,
        )  # fmt: skip
        return replace(reward, batching=reward.tolerates())


REWARDS.register("model")(RewardModelSpec)


@dataclass
class RewardModel(Reward):
    """A reward that scores texts with a model and its tokenizer, longest first, so that batches have texts of similar length.

    ``most`` is the longest row that the model's positions allow, padding included; None for no limit.
    """

    model: Any
    tokenizer: Any
    template: Template
    label: int
    probability: bool
    sign: int
    max_length: int
    batch_size: int
    most: int | None = None
    batching: Batching = "mixed"

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """One raw score per row, in order; NaN or infinite where the model's output is."""
        import torch

        pairs = list(dict.fromkeys(zip(prompts, responses, strict=True)))  # repeated pairs are scored once
        rows = encode(self.tokenizer, self.template, [a for a, _ in pairs], [b for _, b in pairs], self.max_length)
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]["input_ids"]))
        scores = [0.0] * len(rows)
        with torch.inference_mode():
            for chosen in self._batches(order, rows):
                values = self._outputs(self._padded([rows[i] for i in chosen])).tolist()
                for i, value in zip(chosen, values, strict=True):
                    scores[i] = self.sign * value
        score_of = dict(zip(pairs, scores, strict=True))
        return [score_of[pair] for pair in zip(prompts, responses, strict=True)]

    def prompt_tokens(self, prompts: Sequence[str]) -> list[int]:
        """The length of each prompt in this model's tokens."""
        return [len(ids) for ids in self.tokenizer(list(prompts))["input_ids"]]

    def tolerates(self) -> Batching:
        """Which texts may share a batch without a change of their scores: some models read padding, or have no padding token."""
        import torch

        from lenity.models.probe import limit

        prompt, response = question("Hi there"), " Good morning to you, and what a day it is."
        (short,) = encode(self.tokenizer, self.template, [prompt], [" Yes."], self.max_length)
        (long,) = encode(self.tokenizer, self.template, [prompt * 3], [response * 3], self.max_length)
        (other,) = encode(self.tokenizer, self.template, [prompt * 3], [response * 3], len(short["input_ids"]))
        if self.batch_size == 1 or len(other["input_ids"]) != len(short["input_ids"]):
            return "single"
        plain = replace(self, batching="single")
        try:
            with torch.inference_mode():
                alone, unlike = (self._logits(plain._padded([row]))[0] for row in (short, long))
                mixed = float((self._logits(self._padded([short, long]))[0] - alone).norm())
                equal = float((self._logits(plain._padded([short, other]))[0] - alone).norm())
        except Exception:  # a text that cannot be scored is reported where it is scored
            return "single"
        rounding = limit(self.model.dtype) * max(float((alone - unlike).norm()), float(alone.norm()) / 2)
        return "mixed" if mixed <= max(rounding, 4 * equal) else "equal" if equal <= rounding else "single"

    def _batches(self, order: list[int], rows: list[dict[str, list[int]]]) -> list[list[int]]:
        """The rows of ``order``, longest first, in batches."""
        groups, size = [order], 1 if self.batching == "single" else self.batch_size
        if self.batching == "equal":
            groups = [list(group) for _, group in groupby(order, key=lambda i: len(rows[i]["input_ids"]))]
        return [group[start : start + size] for group in groups for start in range(0, len(group), size)]

    def _padded(self, rows: list[dict[str, list[int]]]) -> Any:
        """The padded batch of ``rows``; mixed lengths to a multiple of 8, which is faster, or to the number of the model's positions."""
        padding: dict[str, Any] = {"padding": False}
        if self.batching == "mixed":
            width = -(-max(len(row["input_ids"]) for row in rows) // 8) * 8
            padding = {"padding": "max_length", "max_length": min(width, self.most or width)}
        return self.tokenizer.pad(rows, return_tensors="pt", **padding).to(self.model.device)

    def _outputs(self, batch: Any) -> Tensor:
        logits = self._logits(batch)
        if self.probability:
            logits = logits.sigmoid() if logits.shape[-1] == 1 else logits.softmax(-1)
        return logits[:, self.label]

    def _logits(self, batch: Any) -> Tensor:
        """The logits of all labels, (B, L)."""
        logits: Tensor = self.model(**batch).logits.float()
        return logits


def _load(spec: RewardModelSpec, device: torch.device) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from lenity.models.attention import quicken
    from lenity.models.padding import set_padding

    trusted = spec.trust_remote_code
    with loading("reward model", spec.model, "train it with `lenity reward`", RewardError):
        tokenizer = AutoTokenizer.from_pretrained(spec.model, revision=spec.revision, trust_remote_code=trusted)
        model, loading_info = AutoModelForSequenceClassification.from_pretrained(
            spec.model, revision=spec.revision, trust_remote_code=trusted, use_safetensors=True, output_loading_info=True,
            dtype=dtype_of(spec.dtype, device),
        )  # fmt: skip
    if missing := sorted(loading_info["missing_keys"]):
        raise RewardError(
            f"reward model '{spec.model}' has no trained weights for {', '.join(missing)}, so its scores would be random.",
            "Name a sequence-classification model, such as the output of `lenity reward`.",
        )
    # Without a padding token only EOS may pad: the score is read before the padding, and a token that texts contain would move it.
    set_padding(model, tokenizer)
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    tokenizer.padding_side = padding_side(model)
    return quicken(model.to(device).eval()), tokenizer


def _stored(model: str) -> dict[str, Any]:
    file = Path(model) / SETTINGS_FILE
    if not file.is_file():
        return {}
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RewardError(f"'{file}' is not valid JSON: {error}.", "Train the reward model again.") from error
    return data


def _longest(model: Any, tokenizer: Any) -> int:
    return min(n for n in (window(model), int(tokenizer.model_max_length), 1024) if n is not None and n > 0)
