"""A model in memory as the policy: a copy is saved in the run's folder, and training starts from the copy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.errors import ConfigError, ModelError
from lenity.storage.atomic_io import replacing_folder


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with its tokenizer; training reads a saved copy, and the objects are not changed."""

    model: Any
    tokenizer: Any
    digest: str

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> LoadedModel:
        """The model and tokenizer, after validation.

        Raises:
            ModelError: the model is not a causal language model of transformers, or has an adapter.
            ConfigError: the tokenizer is missing, or is not a tokenizer of transformers.
        """
        if hasattr(model, "peft_config") or getattr(model, "_hf_peft_config_loaded", False):
            raise ModelError(
                f"model is a {type(model).__name__} with an adapter of peft.",
                "Give the folder of the adapter, which is merged when it is loaded, or model.merge_and_unload().",
            )
        if not (hasattr(model, "save_pretrained") and hasattr(model, "state_dict") and hasattr(model, "generate")):
            raise ModelError(
                f"model is {type(model).__name__}, not a causal language model of transformers.",
                "Give a hub name, a folder, or a model that AutoModelForCausalLM.from_pretrained returned.",
            )
        if tokenizer is None:
            raise ConfigError(
                "processing_class is missing, but model is a loaded model.",
                "Give its tokenizer: processing_class=AutoTokenizer.from_pretrained(...).",
            )
        if not (hasattr(tokenizer, "save_pretrained") and hasattr(tokenizer, "get_vocab")):
            raise ConfigError(f"processing_class is {type(tokenizer).__name__}.", "Give a tokenizer of transformers.")
        return cls(model, tokenizer, _digest(model, tokenizer))

    @property
    def name(self) -> str:
        """The name of the folder."""
        return f"model-{self.digest}"

    def write(self, place: Path) -> None:
        """Write weights and tokenizer for ``from_pretrained``, and check that it reads the same weights.

        Raises:
            ModelError: the model has changed since the trainer was created.
        """
        from lenity.models.merge import save

        if _digest(self.model, self.tokenizer) != self.digest:
            raise ModelError(
                "model has changed since the Trainer was created.",
                "Create the Trainer after the last change of the model, or give a folder.",
            )
        with replacing_folder(place) as partial:
            save(self.model, partial)
            self.tokenizer.save_pretrained(partial)


def _digest(model: Any, tokenizer: Any) -> str:
    """The SHA-256 of the model's class, settings and weights and the tokenizer's vocabulary, 12 digits."""
    import torch

    settings = {name: value for name, value in model.config.to_dict().items() if name != "_name_or_path"}
    words = [tokenizer.get_vocab(), str(tokenizer.chat_template), tokenizer.special_tokens_map]
    digest = hashlib.sha256(json.dumps([type(model).__name__, settings, words], sort_keys=True, default=str).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:12]
