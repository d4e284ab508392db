"""Models from scratch: a small Llama with random weights, and a byte-level BPE tokenizer trained on the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.config.stages import Scratch, StageConfig
from lenity.models.padding import require_end
from lenity.models.saved_adapter import refuse_injected
from lenity.models.source import loading

PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|eos|>"


def train_tokenizer(texts: Sequence[str], vocab_size: int, max_length: int) -> Any:
    """A byte-level BPE tokenizer trained on ``texts``, which adds no special tokens by itself and pads on the left."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="left",
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def llama_config(spec: Scratch, tokenizer: Any, **extra: Any) -> Any:
    """The model's configuration, with tied embeddings and the tokenizer's special tokens."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=spec.hidden_size,
        intermediate_size=spec.intermediate_size or -(-spec.hidden_size * 8 // 3 // 8) * 8,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=spec.max_position_embeddings,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **extra,
    )


def build(config: StageConfig, texts: Sequence[str], num_labels: int | None = None) -> tuple[Any, Any]:
    """The model and tokenizer, from scratch or loaded: a causal model, or a classifier with ``num_labels`` outputs."""
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, set_seed

    set_seed(config.seed)
    auto = AutoModelForCausalLM if num_labels is None else AutoModelForSequenceClassification
    extra = {} if num_labels is None else {"num_labels": num_labels}
    fresh = {} if num_labels is None else {"ignore_mismatched_sizes": True}  # another task's head is replaced
    spec = config.model
    name: str | None = None if isinstance(spec, Scratch) else spec
    if isinstance(spec, Scratch):
        name = spec.tokenizer
        tokenizer = (
            _load(AutoTokenizer, spec.tokenizer)
            if spec.tokenizer
            else train_tokenizer(texts, spec.vocab_size, spec.max_position_embeddings)
        )
        model = auto.from_config(llama_config(spec, tokenizer, **extra))
    else:
        options = {"revision": config.revision, "trust_remote_code": config.trust_remote_code}
        tokenizer = _load(AutoTokenizer, name, **options)
        model = _load(auto, name, dtype=torch.float32, use_safetensors=True, **options, **extra, **fresh)
    require_end(model, tokenizer, str(name))
    model.config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def _load(auto: Any, name: Any, **options: Any) -> Any:
    with loading("model", str(name), "give the sizes of a model from scratch"):
        loaded = auto.from_pretrained(name, **options)
    refuse_injected(loaded, "model", str(name))
    return loaded
