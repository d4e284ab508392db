"""Prompts of Anthropic/hh-rlhf, from the hub or a local folder with its layout."""

from __future__ import annotations

from pydantic import Field

from lenity.config.names import Inside
from lenity.data.base import DATASETS, PromptSource, ReadReport
from lenity.data.loading import load_columns
from lenity.data.prompts import prompt_of


@DATASETS.register("hh-rlhf")
class HHRLHF(PromptSource):
    r"""Prompts of Anthropic/hh-rlhf: transcripts cut after their last ``\n\nAssistant:``."""

    places = ("dataset",)

    dataset: str = Field("Anthropic/hh-rlhf", description="hub name, or a local folder with its layout")
    subset: Inside | None = Field(
        None, description="sub-folder such as harmless-base or helpful-base; default: all of them"
    )
    column: str = Field("chosen", description="column with the transcripts")

    def read(self) -> tuple[list[str], ReadReport]:
        """Prompts in the order of the rows."""
        rows, report = load_columns(self.dataset, [self.column], subset=self.subset, split=self.split)
        found = [prompt_of(row[self.column]) for row in rows]
        prompts = [prompt for prompt in found if prompt is not None]
        report.drop("not from 'Human:' to 'Assistant:'", len(found) - len(prompts))
        report.kept = len(prompts)
        return prompts, report
