"""The sizes of a decoder: its layers, parameters and adapters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lenity.config.sections import LoRA
from lenity.errors import ModelError
from lenity.planning.known import DECODERS

LIKE_LLAMA = ("llama", "mistral", "qwen2")  # model types with the layers that this module describes


@dataclass(frozen=True)
class Shape:
    """A decoder with RMSNorm, rotary positions, grouped-query attention and a gated MLP.

    Args:
        hidden: width of the residual stream.
        intermediate: width of the MLP.
        layers: number of layers.
        heads: number of heads of queries.
        kv_heads: number of heads of keys and values.
        head_dim: width of a head.
        vocabulary: rows of the embedding.
        tied: whether the head is the embedding.
        biased: whether queries, keys and values have biases (Qwen2).
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False
    biased: bool = False

    @property
    def queries(self) -> int:
        """The width of all queries together."""
        return self.heads * self.head_dim

    @property
    def keys(self) -> int:
        """The width of all keys together, which equals that of the values."""
        return self.kv_heads * self.head_dim

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """The input and output widths of a decoder layer's linear layers, by name."""
        h, i, q, k = self.hidden, self.intermediate, self.queries, self.keys
        return {
            "q_proj": (h, q), "k_proj": (h, k), "v_proj": (h, k), "o_proj": (q, h),
            "gate_proj": (h, i), "up_proj": (h, i), "down_proj": (i, h),
        }  # fmt: skip

    @property
    def layer_parameters(self) -> int:
        """The number of parameters of one decoder layer."""
        biases = self.queries + 2 * self.keys if self.biased else 0
        return sum(a * b for a, b in self.linears.values()) + 2 * self.hidden + biases

    @property
    def embedding(self) -> int:
        """The number of parameters of the embedding, which equals that of the head."""
        return self.vocabulary * self.hidden

    @property
    def backbone(self) -> int:
        """The number of parameters without the head."""
        return self.layers * self.layer_parameters + self.hidden + self.embedding

    @property
    def parameters(self) -> int:
        """The number of all parameters.

        >>> Shape(4096, 14336, 32, 32, 8, 128, 128256).parameters
        8030261248
        """
        return self.backbone + (0 if self.tied else self.embedding)

    def adapted(self, lora: LoRA) -> dict[str, tuple[int, int]]:
        """The input and output widths of the linear layers that get an adapter, by name.

        Raises:
            ModelError: ``lora.target_modules`` names other layers.
        """
        if lora.target_modules == "all-linear":
            return self.linears
        if unknown := set(lora.target_modules) - set(self.linears):
            raise ModelError(
                f"policy.lora.target_modules names {sorted(unknown)}, which are not linear layers of the decoder.",
                f"Choose from {', '.join(self.linears)}, or all-linear.",
            )
        return {name: self.linears[name] for name in lora.target_modules}

    def adapter_parameters(self, lora: LoRA) -> int:
        """The number of parameters of A and B in all layers."""
        return self.layers * lora.r * sum(a + b for a, b in self.adapted(lora).values())


def shape_of(model: str, revision: str | None = None) -> Shape:
    """The shape of a model listed in :mod:`lenity.planning.known`, in a local folder or on the hub; no weights are read.

    Raises:
        ModelError: the configuration cannot be read, or the architecture is not supported.
    """
    if model in DECODERS:
        return Shape(*DECODERS[model])
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(model, revision=revision).get_text_config()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the configuration of '{model}' cannot be read ({_first(str(error).splitlines())}).",
            f"Name a local folder with its config.json, or one of: {', '.join(DECODERS)}.",
        ) from error
    if config.model_type not in LIKE_LLAMA:
        raise ModelError(
            f"'{model}' has model_type {config.model_type}, whose layers cannot be estimated.",
            f"Supported are {', '.join(LIKE_LLAMA)}; `lenity train` prints an estimate for any model before it starts.",
        )
    return _read(config)


def _read(config: Any) -> Shape:
    heads = config.num_attention_heads
    return Shape(
        config.hidden_size, config.intermediate_size, config.num_hidden_layers, heads, config.num_key_value_heads,
        getattr(config, "head_dim", None) or config.hidden_size // heads, config.vocab_size,
        bool(config.tie_word_embeddings), config.model_type == "qwen2",
    )  # fmt: skip


def _first(lines: Iterable[str]) -> str:
    return next((line.strip().rstrip(".") for line in lines if line.strip()), "no reason given")
