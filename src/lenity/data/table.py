"""The base class of readers of tables: the location of the table, and the columns that go with each prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pydantic import Field

from lenity.config.names import Inside
from lenity.data.base import PromptSource, ReadReport
from lenity.data.conversation import ID_COLUMNS, Conversation
from lenity.data.human_assistant import parse
from lenity.data.loading import load_columns


class Table(PromptSource):
    """A reader of the prompts in one column of a data set; rewards get the row's other columns with them."""

    places = ("dataset",)
    dataset: str = Field(
        description="hub name, local folder, or .jsonl/.json/.csv/.tsv(.gz)/.parquet file",
        examples=["data/questions.jsonl"],
    )
    subset: Inside | None = Field(None, description="sub-folder of the data set; default: none")
    columns: list[str] | None = Field(
        None, description="columns that rewards get with each prompt; default: all except the prompt's column"
    )

    def without_columns(self) -> Self:
        """With ``columns`` empty."""
        return self.model_copy(update={"columns": []})

    def rows(self, column: str, prompt_of: Callable[[str], str | None]) -> tuple[list[Conversation | None], ReadReport]:
        """One conversation per row, in order, None where ``prompt_of`` returns None for the row's ``column``; and the report.

        Raises:
            DataError: the data set cannot be read or lacks the columns.
        """
        chosen = self.columns
        rows, report = load_columns(
            self.dataset, list(dict.fromkeys([column, *(chosen or ())])), subset=self.subset, split=self.split,
            text=[column], others=None if chosen is None else ID_COLUMNS,
        )  # fmt: skip

        def conversation(row: dict[str, Any]) -> Conversation | None:
            text = prompt_of(row[column])
            names = [name for name in row if name != column] if chosen is None else chosen
            return None if text is None else parse(text, {name: row[name] for name in names}, row)

        return [conversation(row) for row in rows], report
