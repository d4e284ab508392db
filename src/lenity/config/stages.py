"""Configuration of the two stages before alignment: `lenity sft` and `lenity reward`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lenity.config.base import Section
from lenity.config.names import Inside
from lenity.config.sections import Fraction, LoRA, Positive, Progress

Template = Literal["pair", "transcript", "response"]


class Rows(Section):
    """The data set that training rows are read from."""

    places = ("dataset",)
    dataset: str = Field(description="hub name, local folder, or .jsonl/.json/.csv/.tsv(.gz)/.parquet file")
    subset: Inside | list[Inside] | None = Field(
        None, description="sub-folder of the data set, or a list of them; default: all"
    )
    split: str = Field("train", description="split of the data set")
    limit: int | None = Field(
        None, ge=1, description="most rows that are used, evenly spaced over the data; default: all"
    )


class Transcripts(Rows):
    """Transcripts: one whole dialogue per row."""

    text: str = Field("text", description="column with the transcripts")


class Pairs(Rows):
    """Preference pairs: two transcripts per row, which share their prompt."""

    chosen: str = Field("chosen", description="column with the preferred transcript")
    rejected: str = Field("rejected", description="column with the rejected transcript")


class Labels(Rows):
    """Labelled texts: one text and its class per row."""

    text: str = Field("text", description="column with the text")
    label: str = Field("label", description="column with the class, 0 or 1")


class Scratch(Section):
    """A small Llama with fresh weights, and a byte-level BPE tokenizer trained on the data."""

    hidden_size: int = Field(256, ge=8, description="width of the hidden states")
    layers: int = Field(4, ge=1, description="number of decoder layers")
    heads: int = Field(4, ge=1, description="number of attention heads")
    intermediate_size: int | None = Field(None, ge=8, description="width of the MLP; default: 8/3 of hidden_size")
    vocab_size: int = Field(4096, ge=260, description="most tokens of the tokenizer")
    max_position_embeddings: int = Field(2048, ge=16, description="longest sequence, in tokens")
    tokenizer: str | None = Field(
        None, description="hub name or local folder of a tokenizer; default: one is trained on the data"
    )

    @model_validator(mode="after")
    def _even_heads(self) -> Self:
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size} and heads is {self.heads}; hidden_size must be a multiple of 2 * heads"
            )
        return self


class Optimisation(Section):
    """Optimisation, checkpoints and progress of a training outside the loop."""

    seed: int = Field(0, ge=0, lt=2**32, description="random seed of initial weights and of the order of rows")
    epochs: Positive = Field(1.0, description="passes over the data")
    max_steps: int | None = Field(None, ge=1, description="most optimizer steps; default: those of all epochs")
    batch_size: int = Field(16, ge=1, description="rows per forward pass on one process")
    accumulation: int = Field(1, ge=1, description="forward passes per optimizer step (gradient accumulation)")
    learning_rate: Positive = Field(1e-4, description="peak learning rate of AdamW")
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="learning rate after the warm-up: a cosine or a line that falls to 0, or constant"
    )
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    warmup: Fraction = Field(0.05, description="fraction of the steps that warm up the learning rate")
    max_grad_norm: Positive = Field(1.0, description="largest gradient norm; a larger gradient is clipped to it")
    non_finite_steps: int = Field(
        20,
        ge=0,
        description="most optimizer steps with a non-finite gradient; each is skipped, and one more stops the training",
    )
    checkpoint_every: int = Field(
        500, ge=1, description="optimizer steps between two checkpoints, from the newest of which a training is resumed"
    )
    logging: Progress = Progress()

    @model_validator(mode="before")
    @classmethod
    def _progress_in_logging(cls, data: Any) -> Any:
        """``data`` with ``progress``, which was a field of its own, in ``logging``."""
        if not isinstance(data, dict) or "progress" not in data:
            return data
        rest = {name: value for name, value in data.items() if name != "progress"}
        return rest | {"logging": {"progress": data["progress"], **(data.get("logging") or {})}}


class Trained(Section):
    """The model that is trained, and the folder that it is written to."""

    output: str = Field(description="folder that the trained model and report.json are written to")
    model: str | Scratch = Field(
        description="hub name or local folder of a model, or the sizes of a model that is trained from scratch"
    )
    revision: str | None = Field(None, description="branch, tag or commit on the hub; default: its main branch")
    trust_remote_code: bool = Field(
        False,
        description="run Python code that the model's repository contains; set it only for sources that you trust",
    )
    lora: LoRA | None = Field(None, description="train a LoRA adapter and merge it; default: all weights are trained")
    max_length: int = Field(512, ge=8, description="longest sequence, in tokens")
    eval_limit: int | None = Field(1000, ge=1, description="most held-out rows that are measured; null: all")


class StageConfig(Optimisation, Trained):
    """The fields that `lenity sft` and `lenity reward` share."""


class SFTConfig(StageConfig):
    """Supervised fine-tuning on transcripts, with the loss on assistant turns and the EOS tokens after them."""

    data: Transcripts = Field(description="transcripts to train on")
    eval_data: Transcripts | None = Field(None, description="held-out transcripts; default: no held-out loss")


class RewardTrainingConfig(StageConfig):
    """Training of a reward model on preference pairs, or of a classifier on labels: exactly one of ``pairs`` and ``labels`` is set."""

    pairs: Pairs | None = Field(None, description="preference pairs that a scalar reward is trained on")
    eval_pairs: Pairs | None = Field(
        None, description="held-out pairs; default: the fraction `holdout` of the training pairs"
    )
    labels: Labels | None = Field(None, description="labelled texts that a two-class classifier is trained on")
    eval_labels: Labels | None = Field(
        None, description="held-out labelled texts; default: the fraction `holdout` of the training labels"
    )
    holdout: float = Field(
        0.1, gt=0, lt=1, description="fraction of the training rows that is held out where no evaluation data is named"
    )
    template: Template = Field(
        "transcript",
        description="what the model reads, in training and in scoring: the prompt and the response as a pair, one transcript, or the response alone",
    )
    label: int = Field(1, ge=0, le=1, description="class whose logit is the score, with labels")
    output_kind: Literal["logit", "probability"] = Field(
        "logit", description="whether the score is the logit or its probability"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.pairs is None) == (self.labels is None):
            raise ValueError("exactly one of pairs and labels is needed; remove one or set one")
        if (self.eval_pairs and not self.pairs) or (self.eval_labels and not self.labels):
            raise ValueError("eval_pairs goes with pairs and eval_labels with labels; name the one that fits")
        return self
