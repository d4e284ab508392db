"""The model card of a run: what it was trained for, results, limits, how to use it."""

from lenity.card.page import Names, card, read_by, write

__all__ = ["Names", "card", "read_by", "write"]
