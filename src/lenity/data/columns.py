"""Prompts from any data set whose column the configuration names."""

from __future__ import annotations

from pydantic import Field

from lenity.config.names import Inside
from lenity.data.base import DATASETS, PromptSource, ReadReport
from lenity.data.loading import load_columns
from lenity.data.prompts import wrap


@DATASETS.register("columns")
class Columns(PromptSource):
    """Prompts from one column of any data set: bare questions, or prompts in the Human/Assistant form."""

    places = ("dataset",)
    dataset: str = Field(
        description="hub name, local folder, or .jsonl/.json/.csv/.tsv(.gz)/.parquet file",
        examples=["data/questions.jsonl"],
    )
    subset: Inside | None = Field(None, description="sub-folder of the data set; default: none")
    prompt: str = Field("prompt", description="column with the prompts")

    def read(self) -> tuple[list[str], ReadReport]:
        """Prompts in the order of the rows."""
        rows, report = load_columns(self.dataset, [self.prompt], subset=self.subset, split=self.split)
        return [wrap(row[self.prompt]) for row in rows], report
