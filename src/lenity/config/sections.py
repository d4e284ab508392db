"""The sections of a run's configuration. Defaults are the paper's setting (arXiv 2604.05965, section 5) where it names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lenity.config.base import Section

Positive = Annotated[float, Field(gt=0)]
Precision = Literal["auto", "float32", "bfloat16"]
Average = Literal["exact", "factors"]  # of adapters: average the updates B A, or average B and A each
Fraction = Annotated[float, Field(ge=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


class LoRA(Section):
    """The adapter that alignment trains; the reference policy is the same model with the adapter off."""

    r: int = Field(64, ge=1, description="LoRA rank")
    alpha: float = Field(
        128, gt=0, description="numerator of the factor alpha / r by which the update B A is multiplied"
    )
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout probability on the adapter's input")
    target_modules: list[str] | Literal["all-linear"] = Field(
        "all-linear", description="layers that get an adapter: all-linear, or names of modules"
    )


class Policy(Section):
    """The model to align."""

    former: ClassVar[Mapping[str, str]] = {"checkpointing": "gradient_checkpointing"}

    model: str = Field(
        description="hub name or local folder of a causal language model, or of a PEFT adapter, which is merged into its base model first"
    )
    revision: str | None = Field(None, description="branch, tag or commit on the hub; default: its main branch")
    lora: LoRA = LoRA()
    dtype: Precision = Field(
        "auto",
        description="number format of the weights; auto: bfloat16 on an accelerator that supports it, float32 on a CPU",
    )
    trust_remote_code: bool = Field(
        False,
        description="run Python code that the model's repository contains; set it only for sources that you trust",
    )
    compile: bool = Field(
        False,
        description="compile the forward passes of scoring and update with torch.compile; compiling takes minutes, and needs a C++ compiler on a CPU",
    )
    gradient_checkpointing: bool = Field(
        False,
        description="recompute activations in the update's backward pass: much less memory, about 1.5 times the update's time",
    )


class Critic(Section):
    """The value function V(s), with one head per objective."""

    kind: Literal["shared", "separate"] = Field(
        "shared", description="shared: an MLP on the policy's last hidden state; separate: a second model"
    )
    hidden_size: int = Field(256, ge=1, description="width of the MLP's hidden layer, with kind shared")
    detach: bool = Field(
        False, description="stop the gradient of the value loss at the policy's hidden state, with kind shared"
    )
    model: str | None = Field(
        None,
        description="hub name or local folder of the critic's model, with kind separate; it must have the policy's tokenizer; default: policy.model",
    )


class VLLM(Section):
    """The engine vLLM (`rollout.engine: vllm`), through TRL's `VLLMGeneration`."""

    mode: Literal["colocate", "server"] = Field(
        "colocate",
        description="colocate: vLLM runs in the training processes, on their devices; server: `vllm serve` runs elsewhere",
    )
    gpu_memory_utilization: float = Field(
        0.3, gt=0, le=1, description="fraction of each device's memory that vLLM may use, with mode colocate"
    )
    tensor_parallel: int = Field(
        1, ge=1, description="number of processes over which one copy of the model is split, with mode colocate"
    )
    max_model_length: int | None = Field(
        None, ge=2, description="longest prompt and response together, in tokens; default: the model's context window"
    )
    sleep: bool = Field(False, description="free vLLM's memory during the update, with mode colocate")
    url: str = Field("http://127.0.0.1:8000", description="address of the server, with mode server")
    timeout: Positive = Field(240.0, description="seconds to wait until the server answers")
    load_adapter: bool = Field(
        True,
        description="the server loads the LoRA adapter from the run folder, which it must be able to read; false: all weights are sent to it by NCCL",
    )
    group_port: int = Field(
        51216, ge=1, le=65535, description="port of the NCCL group that sends all weights to the server"
    )


class Rollout(Section):
    """How responses to the prompts of training are generated."""

    engine: Literal["lenity", "continuous", "vllm"] = Field(
        "lenity",
        description="rollout engine; lenity: our own decoding; continuous: continuous batching of transformers; vllm: vLLM (docs/scale.md)",
    )
    batch_size: int = Field(128, ge=1, description="responses per iteration, over all processes")
    generation_batch_size: int = Field(128, ge=1, description="responses generated at once on one process")
    max_new_tokens: int = Field(128, ge=1, description="longest response, in tokens")
    min_new_tokens: int = Field(1, ge=0, description="fewest tokens before an EOS token may be sampled")
    temperature: Positive = Field(1.0, description="sampling temperature")
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="probability mass of nucleus sampling; 1 samples from the whole distribution, which the log-probs assume",
    )
    stop: list[str] = Field(["\n\nHuman:"], description="stop strings: a response ends before the first of them")
    vllm: VLLM = VLLM()


class PPO(Section):
    """The PPO update of policy and critic (eq. 10)."""

    epochs: int = Field(4, ge=1, description="passes over the batch of each iteration")
    mini_batch_size: int = Field(16, ge=1, description="most responses per forward pass on one process")
    accumulation: int = Field(
        2,
        ge=1,
        description="mini-batches per optimizer step (gradient accumulation); a step has the same responses with any number of processes",
    )
    gamma: Fraction = Field(0.99, description="discount factor")
    lam: Fraction = Field(0.95, description="GAE lambda")
    clip: Positive = Field(0.2, description="clip range of the policy ratio around 1")
    value_clip: Positive | None = Field(
        0.2, description="clip range of the value around its value at generation; null: no clipping"
    )
    value_coefficient: float = Field(0.1, ge=0, description="coefficient of the value loss")
    ratio_limit: Positive = Field(
        10.0, description="a mini-batch whose mean policy ratio exceeds this is skipped, and counted in metrics.jsonl"
    )
    importance_cap: float = Field(
        2.0,
        ge=1,
        description="largest importance weight p_policy / p_engine of a token, with an engine that is not lenity",
    )
    normalise: Literal["per_objective", "scale_only", "none"] = Field(
        "per_objective",
        description="per_objective: give each objective's advantages mean 0 and standard deviation 1 over the batch; scale_only: only divide by the root mean square; none: leave them",
    )
    whiten: bool = Field(
        True, description="give the combined advantage mean 0 and standard deviation 1 over the batch before the loss"
    )


class KL(Section):
    """The KL penalty beta KL(policy || reference), which all objectives share."""

    kind: Literal["adaptive", "fixed"] = Field(
        "adaptive", description="adaptive: beta is adjusted towards the target KL; fixed: beta stays"
    )
    coefficient: float = Field(
        0.05, ge=0, description="KL penalty coefficient beta; with kind adaptive its initial value"
    )
    target: Positive = Field(3.0, description="target KL, in nats per response, with kind adaptive")
    horizon: Positive = Field(10_000, description="number of responses over which beta is adjusted, with kind adaptive")


class Optimizer(Section):
    """AdamW with a cosine schedule after a linear warm-up."""

    learning_rate: Positive = Field(
        1e-5,
        description="peak learning rate; the paper's is not legible, 1e-5 is inferred from the scripts that its other settings match",
    )
    critic_learning_rate: Positive | None = Field(
        None, description="peak learning rate of the critic; default: learning_rate"
    )
    weight_decay: float = Field(0.0, ge=0, description="weight decay of AdamW")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="decay rates of AdamW's two moments")
    max_grad_norm: Positive = Field(0.5, description="largest gradient norm; a larger gradient is clipped to it")
    warmup_steps: float = Field(
        20, ge=0, description="optimizer steps of linear warm-up; a value below 1 is a fraction of all steps"
    )
    final_fraction: Fraction = Field(
        0.0, description="learning rate at the end of the schedule, as a fraction of the peak"
    )


class Standardisation(Section):
    """How raw scores are standardised: (score - mean) / std, with constants that are frozen in the run folder."""

    prompts: int = Field(
        256, ge=2, description="number of responses of the reference policy that mean and std are measured on"
    )
    file: str | None = Field(
        None,
        description="standardisation.json whose constants are used instead, so that runs are comparable; default: measured",
    )


class RewardNoise(Section):
    """Noise on the scores that training sees, for studies of robustness (eq. 34): r_k - delta sigma(r_j), delta ~ U(low, high).

    Evaluation stays clean.
    """

    fraction: Fraction = Field(description="fraction of each batch whose scores get noise")
    low: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="smallest delta, in standard deviations of the reward"
    )
    high: float = Field(
        3.0, ge=0, allow_inf_nan=False, description="largest delta, in standard deviations of the reward"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high < self.low:
            raise ValueError(
                f"high is {self.high:g}, which is below low, {self.low:g}; delta is drawn between low and high"
            )
        return self


class Tolerance(Section):
    """Faults that a run counts in `metrics.jsonl` and tolerates up to a limit, where it stops."""

    unscored: Fraction = Field(
        0.1,
        description="largest fraction of a batch that one reward may leave without a score; such responses have advantage 0 for that objective",
    )
    non_finite_steps: int = Field(
        20, ge=0, description="most optimizer steps of a run with a non-finite loss or gradient; each is skipped"
    )
    silence: Positive = Field(
        1800.0, description="seconds after which a collective that one process does not join ends the run"
    )


class Budget(Section):
    """A limit at which a run ends early, so that methods are compared at equal cost."""

    tokens: int | None = Field(
        None,
        ge=1,
        description="the run ends with the iteration that reaches this number of generated tokens; default: no limit",
    )


class Checkpoint(Section):
    """When checkpoints are written, and which are kept."""

    every: int = Field(10, ge=1, description="iterations between two checkpoints")
    keep_last: int = Field(2, ge=1, description="number of newest checkpoints that are kept")
    keep_every: int | None = Field(
        None, ge=1, description="checkpoints at multiples of this number of iterations are kept as well; default: none"
    )

    def kept(self, iterations: int) -> int:
        """The number of checkpoints at the end of a run.

        >>> Checkpoint(every=10, keep_last=2, keep_every=20).kept(95)
        6
        """
        written = sorted({*range(self.every, iterations + 1, self.every), iterations})
        older = [i for i in written[: -self.keep_last] if self.keep_every and i % self.keep_every == 0]
        return len(older) + len(written[-self.keep_last :])


class Progress(Section):
    """What is shown while a command works: a progress bar on a terminal, plain lines elsewhere."""

    progress: bool = Field(True, description="show progress: a bar on a terminal, lines in a log file")
    every_seconds: Positive = Field(30.0, description="seconds between two lines of progress in a log file")


SILENT = Progress(progress=False)


class Logging(Progress):
    """What a run logs beside `metrics.jsonl`, which it always writes."""

    trackers: list[Literal["tensorboard", "wandb", "trackio"]] = Field(
        [], description="experiment trackers that get the same metrics, through accelerate"
    )
    samples: int = Field(4, ge=0, description="responses per iteration that are written to samples.jsonl")
