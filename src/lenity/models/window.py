"""The context window of a model: the length it was trained for, and the end of its table of positions."""

from __future__ import annotations

from typing import Any

TABLES = ("position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe")


def window(model: Any) -> int | None:
    """The context window of ``model`` in tokens; None if its configuration has none, or -1."""
    rows = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return rows - first_position(model) if isinstance(rows, int) and rows > 0 else None


def first_position(model: Any) -> int:
    """The position of a text's first token: 0, or for models like RoBERTa one more than the padding token's id."""
    offsets = (getattr(table, "padding_idx", None) for table in _tables(model))
    return max((offset + 1 for offset in offsets if offset is not None), default=0)


def last_position(model: Any) -> int | None:
    """The maximum length in tokens if positions come from a table, see :func:`window`; None if they are computed for any length."""
    return window(model) if _tables(model) else None


def readable(length: int, model: Any) -> int:
    """The smaller of ``length`` and the number of tokens that ``model`` can read."""
    return min(length, last_position(model) or length)


def _tables(model: Any) -> list[Any]:
    """The tables of positions: embeddings, and precomputed buffers."""
    from torch import nn

    tables = [*model.named_modules(), *model.named_buffers()]
    return [
        table
        for name, table in tables
        if name.rpartition(".")[2] in TABLES and (isinstance(table, nn.Embedding) or not isinstance(table, nn.Module))
    ]
