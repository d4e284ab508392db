"""Prompts from any data set, in a column that the configuration names."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from lenity.data.base import DATASETS, ReadReport
from lenity.data.conversation import Conversation
from lenity.data.human_assistant import wrap
from lenity.data.table import Table


@DATASETS.register("columns")
class Columns(Table):
    """Prompts from one column of any data set: bare questions, or prompts in the Human/Assistant form."""

    prompt: str = Field("prompt", description="column with the prompts")

    def read(self) -> tuple[Sequence[Conversation], ReadReport]:
        """The prompts in the order of the rows, and the report."""
        conversations, report = self.rows(self.prompt, wrap)
        return [one for one in conversations if one is not None], report
