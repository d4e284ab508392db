"""How many tokens a model reads at once: what it was made for, and where its table of positions ends."""

from __future__ import annotations

from typing import Any

TABLES = ("position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe")


def window(model: Any) -> int | None:
    """Tokens of the longest text that ``model`` was made for; None where its configuration names none, or -1."""
    rows = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return rows - first_position(model) if isinstance(rows, int) and rows > 0 else None


def first_position(model: Any) -> int:
    """The position of a text's first token: 0, but for models of the kind of RoBERTa one behind the padding token's id."""
    offsets = (getattr(table, "padding_idx", None) for table in _tables(model))
    return max((offset + 1 for offset in offsets if offset is not None), default=0)


def last_position(model: Any) -> int | None:
    """:func:`window` where longer texts fail, since positions come from a table; None where they are computed for any length."""
    return window(model) if _tables(model) else None


def readable(length: int, model: Any) -> int:
    """``length`` tokens, or as many as ``model`` can read at all."""
    return min(length, last_position(model) or length)


def _tables(model: Any) -> list[Any]:
    """The tables of positions: embeddings, and buffers of numbers that are computed once."""
    from torch import nn

    tables = [*model.named_modules(), *model.named_buffers()]
    return [
        table
        for name, table in tables
        if name.rpartition(".")[2] in TABLES and (isinstance(table, nn.Embedding) or not isinstance(table, nn.Module))
    ]
