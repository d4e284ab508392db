"""The model card of a run."""

from lenity.card.page import Names, card, read_by, write

__all__ = ["Names", "card", "read_by", "write"]
