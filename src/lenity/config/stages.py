"""Configuration of the two stages before alignment: `lenity sft` and `lenity reward`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lenity.config.base import Section
from lenity.config.names import Inside
from lenity.config.sections import Fraction, LoRA, Positive, Progress

Template = Literal["pair", "transcript", "response"]


class Rows(Section):
    """Where training rows come from."""

    places = ("dataset",)
    dataset: str = Field(description="hub name, local folder, or .jsonl/.json/.csv/.tsv(.gz)/.parquet file")
    subset: Inside | list[Inside] | None = Field(None, description="sub-folder of the data set, or several")
    split: str = Field("train", description="split of the data set")
    limit: int | None = Field(None, ge=1, description="keep this many rows, taken at even steps over the data")


class Transcripts(Rows):
    """Whole dialogues."""

    text: str = Field("text", description="column with the transcripts")


class Pairs(Rows):
    """Two transcripts a row that share their prompt."""

    chosen: str = Field("chosen", description="column with the preferred transcript")
    rejected: str = Field("rejected", description="column with the other")


class Labels(Rows):
    """One text a row with its class."""

    text: str = Field("text", description="column with the text")
    label: str = Field("label", description="column with 0 or 1")


class Scratch(Section):
    """A small Llama with fresh weights, and a byte-level BPE tokenizer trained on the data."""

    hidden_size: int = Field(256, ge=8, description="width")
    layers: int = Field(4, ge=1, description="decoder blocks")
    heads: int = Field(4, ge=1, description="attention heads")
    intermediate_size: int | None = Field(None, ge=8, description="width of the MLP; default: 8/3 of hidden_size")
    vocab_size: int = Field(4096, ge=260, description="tokens of the tokenizer, at most")
    max_position_embeddings: int = Field(2048, ge=16, description="longest sequence")
    tokenizer: str | None = Field(None, description="use this hub or local tokenizer instead of training one")

    @model_validator(mode="after")
    def _even_heads(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size}, heads {self.heads}; the width of a head must be whole and even"
            )
        return self


class Optimisation(Section):
    """How a training outside the loop is optimised, checkpointed and shown."""

    seed: int = Field(0, ge=0, lt=2**32, description="of initial weights and order")
    epochs: Positive = Field(1.0, description="passes over the data")
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimizer steps")
    batch_size: int = Field(16, ge=1, description="rows per batch and process")
    accumulation: int = Field(1, ge=1, description="batches per optimizer step")
    learning_rate: Positive = Field(1e-4, description="AdamW")
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="of the learning rate after the warm-up: falling to 0, or constant"
    )
    weight_decay: float = Field(0.0, ge=0)
    warmup: Fraction = Field(0.05, description="share of the steps with a rising learning rate")
    max_grad_norm: Positive = Field(1.0, description="gradient clipping")
    non_finite_steps: int = Field(
        20, ge=0, description="optimizer steps whose gradient is not finite, each skipped, before the training stops"
    )
    checkpoint_every: int = Field(
        500, ge=1, description="optimizer steps between two checkpoints, from the newest of which a training is resumed"
    )
    logging: Progress = Progress()

    @model_validator(mode="before")
    @classmethod
    def _progress_in_logging(cls, data: Any) -> Any:
        """``progress`` was a field of its own, and is read as that of ``logging``."""
        if not isinstance(data, dict) or "progress" not in data:
            return data
        rest = {name: value for name, value in data.items() if name != "progress"}
        return rest | {"logging": {"progress": data["progress"], **(data.get("logging") or {})}}


class Trained(Section):
    """Which model is trained, and where it goes."""

    output: str = Field(description="folder for the trained model and its report.json")
    model: str | Scratch = Field(description="hub name, local folder, or the sizes of a model from scratch")
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    trust_remote_code: bool = Field(False, description="run code that comes with the model; only for sources you trust")
    lora: LoRA | None = Field(None, description="train an adapter and merge it; default: all weights")
    max_length: int = Field(512, ge=8, description="longest sequence, tokens")
    eval_limit: int | None = Field(1000, ge=1, description="held-out rows to measure on")


class StageConfig(Optimisation, Trained):
    """What `lenity sft` and `lenity reward` share: the model, where it goes, and how it is optimised."""


class SFTConfig(StageConfig):
    """Supervised fine-tuning on transcripts; loss on assistant turns and their ends."""

    data: Transcripts
    eval_data: Transcripts | None = Field(None, description="held-out transcripts; default: no held-out loss")


class RewardTrainingConfig(StageConfig):
    """A reward model from preference pairs, or a classifier from labels: exactly one of ``pairs`` and ``labels``."""

    pairs: Pairs | None = Field(None, description="train a scalar reward from these")
    eval_pairs: Pairs | None = Field(None, description="held-out pairs; default: `holdout` of the training pairs")
    labels: Labels | None = Field(None, description="train a two-class classifier from these")
    eval_labels: Labels | None = Field(None, description="held-out labels; default: `holdout` of the training labels")
    holdout: float = Field(0.1, gt=0, lt=1, description="share held out where no evaluation data is named")
    template: Template = Field("transcript", description="what the model reads; the same in training and scoring")
    label: int = Field(1, ge=0, le=1, description="class whose logit is the score (labels)")
    output_kind: Literal["logit", "probability"] = Field("logit", description="what the score is")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.pairs is None) == (self.labels is None):
            raise ValueError("needs exactly one of pairs and labels; remove one or set one")
        if (self.eval_pairs and not self.pairs) or (self.eval_labels and not self.labels):
            raise ValueError("eval_pairs goes with pairs and eval_labels with labels; name the one that fits")
        return self
