"""The model card of a run."""

from lenity.card.page import Names, card, write

__all__ = ["Names", "card", "write"]
