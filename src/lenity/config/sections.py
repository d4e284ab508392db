"""The sections of a run's configuration. Defaults are the paper's setting (arXiv 2604.05965, section 5) where it names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lenity.config.base import Section

Positive = Annotated[float, Field(gt=0)]
Precision = Literal["auto", "float32", "bfloat16"]
Average = Literal["exact", "factors"]  # of adapters: of their updates, or of A and B apart
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class LoRA(Section):
    """The adapter that alignment trains; the reference policy is the same model with the adapter off."""

    r: int = Field(64, ge=1, description="rank")
    alpha: float = Field(128, gt=0, description="scale: the update is alpha / r times B A")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout on the adapter's input")
    target_modules: list[str] | Literal["all-linear"] = Field("all-linear", description="which layers get an adapter")


class Policy(Section):
    """The model to align."""

    former: ClassVar[Mapping[str, str]] = {"checkpointing": "gradient_checkpointing"}

    model: str = Field(
        description="hub name or local folder of a causal language model (or of a PEFT adapter, which is merged first)"
    )
    revision: str | None = Field(None, description="branch, tag or commit on the hub")
    lora: LoRA = LoRA()
    dtype: Precision = Field("auto", description="auto: bfloat16 where the accelerator has it, float32 on a CPU")
    trust_remote_code: bool = Field(False, description="run code that comes with the model; only for sources you trust")
    compile: bool = Field(
        False, description="compile scoring and update: faster after some minutes; on a CPU it needs a C++ compiler"
    )
    gradient_checkpointing: bool = Field(
        False,
        description="compute each layer again in the update's backward pass: much less memory, about half more time",
    )


class Critic(Section):
    """The multi-head value function V(s), one head an objective."""

    kind: Literal["shared", "separate"] = Field(
        "shared", description="shared: an MLP on the policy's last hidden state; separate: a model of its own"
    )
    hidden_size: int = Field(256, ge=1, description="width of the MLP's hidden layer (shared)")
    detach: bool = Field(False, description="do not let the value loss reach the policy's adapter (shared)")
    model: str | None = Field(
        None, description="backbone of a separate critic, of the policy's tokenizer; default: the policy's own"
    )


class VLLM(Section):
    """The engine vLLM (`rollout.engine: vllm`), through TRL's `VLLMGeneration`."""

    mode: Literal["colocate", "server"] = Field(
        "colocate", description="colocate: in the training processes, on their devices; server: `vllm serve` elsewhere"
    )
    gpu_memory_utilization: float = Field(0.3, gt=0, le=1, description="share of a device's memory (colocate)")
    tensor_parallel: int = Field(1, ge=1, description="processes that share one copy of the model (colocate)")
    max_model_length: int | None = Field(None, ge=2, description="prompt and response; default: the model's window")
    sleep: bool = Field(False, description="its memory is free during the update (colocate)")
    url: str = Field("http://127.0.0.1:8000", description="of the server")
    timeout: Positive = Field(240.0, description="seconds to wait for the server to be up")
    load_adapter: bool = Field(
        True,
        description="the server, which must see the run folder, loads the LoRA adapter from there; false: whole weights are sent to it by NCCL",
    )
    group_port: int = Field(
        51216, ge=1, le=65535, description="of the NCCL group that sends whole weights to the server"
    )


class Rollout(Section):
    """Generation."""

    engine: Literal["lenity", "continuous", "vllm"] = Field(
        "lenity", description="what generates; continuous: transformers' continuous batching (docs/scale.md)"
    )
    batch_size: int = Field(128, ge=1, description="responses an iteration, over all processes")
    generation_batch_size: int = Field(128, ge=1, description="responses generated at once, on one process")
    max_new_tokens: int = Field(128, ge=1, description="longest response, tokens")
    min_new_tokens: int = Field(1, ge=0, description="no end-of-sequence before this many tokens")
    temperature: Positive = Field(1.0, description="sampling temperature")
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="nucleus; 1 samples from the whole distribution, which is what the log-probs assume",
    )
    stop: list[str] = Field(["\n\nHuman:"], description="a response's text ends before the first of these")
    vllm: VLLM = VLLM()


class PPO(Section):
    """The update (eq. 10)."""

    epochs: int = Field(4, ge=1, description="passes over each batch")
    mini_batch_size: int = Field(16, ge=1, description="responses a forward pass, at most, on one process")
    accumulation: int = Field(
        2, ge=1, description="mini-batches an optimizer step, which has the same rows whatever the number of processes"
    )
    gamma: Fraction = Field(0.99, description="discount")
    lam: Fraction = Field(0.95, description="GAE lambda")
    clip: Positive = Field(0.2, description="policy ratio clip")
    value_clip: Positive | None = Field(0.2, description="value clip; null for none")
    value_coefficient: float = Field(0.1, ge=0, description="weight of the value loss")
    ratio_limit: Positive = Field(10.0, description="a mini-batch whose mean ratio exceeds this is skipped and counted")
    importance_cap: float = Field(
        2.0, ge=1, description="most that a token counts for being less likely to the engine than to the policy"
    )
    normalise: Literal["per_objective", "scale_only", "none"] = Field(
        "per_objective", description="standardise each objective's advantages before the gate"
    )
    whiten: bool = Field(True, description="whiten the rectified advantage before the loss")


class KL(Section):
    """The penalty beta KL(policy || reference), shared by all objectives."""

    kind: Literal["adaptive", "fixed"] = Field("adaptive", description="adaptive: beta follows the target")
    coefficient: float = Field(0.05, ge=0, description="beta, or its first value")
    target: Positive = Field(3.0, description="nats a response (adaptive)")
    horizon: Positive = Field(10_000, description="responses over which beta reacts (adaptive)")


class Optimizer(Section):
    """AdamW with a cosine schedule after a linear warm-up."""

    learning_rate: Positive = Field(
        1e-5, description="the paper's is not legible; 1e-5 is inferred from the scripts its settings match"
    )
    critic_learning_rate: Positive | None = Field(None, description="for the critic; default: the same")
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="AdamW's, at least 0 and below 1")
    max_grad_norm: Positive = Field(0.5, description="gradient clipping")
    warmup_steps: float = Field(20, ge=0, description="optimizer steps; below 1, a share of all of them")
    final_fraction: Fraction = Field(
        0.0, description="learning rate at the end of the schedule, as a share of the first"
    )


class Standardisation(Section):
    """Raw scores become (score - mean) / std with constants frozen in the run folder."""

    prompts: int = Field(256, ge=2, description="reference-policy responses to calibrate on")
    file: str | None = Field(
        None, description="use the constants of this standardisation.json instead, so that runs are comparable"
    )


class RewardNoise(Section):
    """Noise on the scores that training sees, for studies of robustness (eq. 34): r_k - delta sigma(r_j), delta ~ U(low, high).

    Evaluation stays clean.
    """

    fraction: Fraction = Field(description="share of each batch whose scores are noisy")
    low: float = Field(1.0, ge=0, allow_inf_nan=False, description="smallest delta, standard deviations of a reward")
    high: float = Field(3.0, ge=0, allow_inf_nan=False, description="greatest delta")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high is {self.high:g}, below low, {self.low:g}; delta is drawn between them")
        return self


class Tolerance(Section):
    """What a run puts up with, and counts in `metrics.jsonl`, before it stops."""

    unscored: Fraction = Field(
        0.1,
        description="share of a batch's responses that one reward may leave without a score; they then teach nothing of it",
    )
    non_finite_steps: int = Field(
        20, ge=0, description="optimizer steps with a loss or gradient that is not finite, in the whole run"
    )
    silence: Positive = Field(
        1800.0, description="seconds that one process of several may keep the others waiting before the run ends"
    )


class Budget(Section):
    """Where a run ends early, so that methods are compared at equal cost."""

    tokens: int | None = Field(None, ge=1, description="end with the iteration that reaches this many generated tokens")


class Scale(Section):
    """Constants of one reward."""

    mean: float
    std: Positive


class Reference(Section):
    """The hypervolume's reference point, on standardised scores, by name of the reward."""

    rule: Literal["fixed", "nadir"] = "fixed"
    point: dict[str, float] = Field({}, description="default: the reference policy's mean minus 1")


class Evaluation(Section):
    """How `lenity evaluate` measures (metrics.md: fixed prompts, temperature 1, top-p 0.9)."""

    limit: int = Field(256, ge=2, description="held-out prompts")
    temperature: float = Field(1.0, ge=0, description="0 decodes greedily")
    top_p: float = Field(0.9, gt=0, le=1)
    max_new_tokens: int | None = Field(None, ge=1, description="longest response; default: that of training")
    min_new_tokens: int | None = Field(None, ge=0, description="shortest response; default: that of training")
    stop: list[str] | None = Field(None, description="a response's text ends before these; default: those of training")
    batch_size: int = Field(128, ge=1)
    seed: int = Field(1234, ge=0, description="the same for every policy, so that comparisons are paired")
    standardisation: dict[str, Scale] = Field({}, description="constants to use in place of the run's own, by reward")
    reference: Reference = Reference()

    def decoding(self, rollout: Rollout) -> dict[str, Any]:
        """How responses are made; what is not set here is as in training."""
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_new_tokens": self.max_new_tokens or rollout.max_new_tokens,
            "min_new_tokens": rollout.min_new_tokens if self.min_new_tokens is None else self.min_new_tokens,
            "stop": rollout.stop if self.stop is None else self.stop,
            "seed": self.seed,
        }


class Checkpoint(Section):
    """When state is written."""

    every: int = Field(10, ge=1, description="iterations")
    keep_last: int = Field(2, ge=1, description="older checkpoints are removed")
    keep_every: int | None = Field(None, ge=1, description="but those of every so many iterations stay; default: none")

    def kept(self, iterations: int) -> int:
        """How many are there at the end of a run.

        >>> Checkpoint(every=10, keep_last=2, keep_every=20).kept(95)
        6
        """
        written = sorted({*range(self.every, iterations + 1, self.every), iterations})
        older = [i for i in written[: -self.keep_last] if self.keep_every and i % self.keep_every == 0]
        return len(older) + len(written[-self.keep_last :])


class Progress(Section):
    """What is shown while the work goes on: a bar on a terminal, plain lines elsewhere."""

    progress: bool = Field(True, description="show how far it is: a bar on a terminal, lines in a log file")
    every_seconds: Positive = Field(30.0, description="between two lines of progress in a log file")


SILENT = Progress(progress=False)


class Logging(Progress):
    """`metrics.jsonl` is always written; trackers come on top."""

    trackers: list[Literal["tensorboard", "wandb", "trackio"]] = Field(
        [], description="also log to these, through accelerate"
    )
    samples: int = Field(4, ge=0, description="responses an iteration written to samples.jsonl")
