"""The encoding of texts for a reward model, the same in its training and in scoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.config.stages import Template


def encode(
    tokenizer: Any, template: Template, prompts: Sequence[str], responses: Sequence[str], max_length: int
) -> list[dict[str, list[int]]]:
    """The token ids (and other inputs of the model) of each text; a text that is too long loses its beginning, never its end.

    A text without tokens is encoded as one padding token, so that its score does not depend on the rest of the batch.

    Args:
        tokenizer: the reward model's own.
        template: ``pair`` gives the tokenizer prompt and response as two texts, ``transcript`` as one, ``response`` the
            response alone.
        prompts: n texts.
        responses: n texts.
        max_length: tokens kept, special ones included.
    """
    tokenizer.truncation_side = "left"
    settings = {"truncation": True, "max_length": max_length}
    if template == "pair":
        rows = tokenizer(list(prompts), list(responses), **settings)
    elif template == "transcript":
        rows = tokenizer([p + r for p, r in zip(prompts, responses, strict=True)], **settings)
    else:
        rows = tokenizer([response.strip() for response in responses], **settings)
    nothing = {"input_ids": [tokenizer.pad_token_id or 0], "attention_mask": [1]}
    return [{key: rows[key][i] or nothing.get(key, [0]) for key in rows} for i in range(len(responses))]


def padding_side(model: Any) -> str:
    """The side of the padding: right, but left for models, such as XLNet, that read the score at the last token of a row."""
    return "left" if getattr(model.config, "summary_type", None) == "last" else "right"
