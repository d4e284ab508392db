"""A padding token that the model can read, since what stands in for missing tokens is fed to it like any other."""

from __future__ import annotations

from typing import Any

from lenity.errors import ModelError


def readable(model: Any, token: int | None) -> bool:
    """Whether the token id is one of the model's embeddings."""
    return token is not None and 0 <= token < model.get_input_embeddings().weight.shape[0]


def set_padding(model: Any, tokenizer: Any) -> None:
    """Give a tokenizer whose padding token is missing, or outside the embeddings, the end of sequence in its place.

    Masks tell the two apart. It has none where the model cannot read its end of sequence either.
    """
    if not readable(model, tokenizer.pad_token_id):
        ends = ((tokenizer.eos_token, tokenizer.eos_token_id), (tokenizer.sep_token, tokenizer.sep_token_id))
        tokenizer.pad_token = next((token for token, number in ends if readable(model, number)), None)


def require_end(model: Any, tokenizer: Any, name: str) -> None:
    """:func:`set_padding` for a model that learns where its responses end.

    Raises:
        ModelError: the end of sequence is missing, or outside the embeddings.
    """
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"the tokenizer of '{name}' has no end-of-sequence token, so no response could end.",
            "Set eos_token and save it.",
        )
    if not readable(model, tokenizer.eos_token_id):
        raise ModelError(
            f"the end-of-sequence token of '{name}' is {tokenizer.eos_token_id}, but the model has "
            f"{model.get_input_embeddings().weight.shape[0]} embeddings.",
            "Resize them with model.resize_token_embeddings(len(tokenizer)) and save the model, or set another eos_token.",
        )
    set_padding(model, tokenizer)
