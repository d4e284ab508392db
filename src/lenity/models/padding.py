"""A padding token that the model has an embedding for, since padding is passed to the model like any other token."""

from __future__ import annotations

from typing import Any

from lenity.errors import ModelError


def readable(model: Any, token: int | None) -> bool:
    """Whether the model has an embedding for the token id."""
    return token is not None and 0 <= token < model.get_input_embeddings().weight.shape[0]


def set_padding(model: Any, tokenizer: Any) -> None:
    """Set a tokenizer's padding token to EOS if it has none, or one without an embedding; masks distinguish the two.

    If EOS has no embedding either, the tokenizer has no padding token.
    """
    if not readable(model, tokenizer.pad_token_id):
        ends = ((tokenizer.eos_token, tokenizer.eos_token_id), (tokenizer.sep_token, tokenizer.sep_token_id))
        tokenizer.pad_token = next((token for token, number in ends if readable(model, number)), None)


def require_end(model: Any, tokenizer: Any, name: str) -> None:
    """Set the padding token, see :func:`set_padding`, after checking that the model can learn EOS.

    Raises:
        ModelError: the tokenizer has no EOS, or the model has no embedding for it.
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
