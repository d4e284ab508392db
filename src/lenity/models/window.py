"""How many tokens a model reads at once: what it was made for, and where its table of positions ends."""

from __future__ import annotations

from typing import Any

TABLES = ("position_embeddings", "position_embedding", "embed_positions", "positions_embed", "wpe")


def window(model: Any) -> int | None:
    """Tokens of the longest text that ``model`` was made for; None where nothing limits it (its configuration says so, or −1).

    Models of the kind of RoBERTa count positions from behind the number of the padding token, so that as many rows of their table
    are not for texts.
    """
    rows = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(rows, int) or rows < 1:
        return None
    offsets = [table.padding_idx for table in _tables(model) if getattr(table, "padding_idx", None) is not None]
    return rows - max(offsets) - 1 if offsets else rows


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
