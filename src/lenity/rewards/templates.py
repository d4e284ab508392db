"""What a reward model reads: the same function in training and in scoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lenity.config.stages import Template


def encode(
    tokenizer: Any, template: Template, prompts: Sequence[str], responses: Sequence[str], max_length: int
) -> list[dict[str, list[int]]]:
    """Token ids (and what else the model takes) of each text; a long one loses its beginning, never its end.

    A text of no tokens is read as one padding token, so that its score does not depend on the texts beside it.

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
    """Where ``model`` takes padding: behind a text, but before it for those, as XLNet, that read the score at the last token of a row."""
    return "left" if getattr(model.config, "summary_type", None) == "last" else "right"
