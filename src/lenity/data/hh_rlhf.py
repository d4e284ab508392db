"""Prompts of Anthropic/hh-rlhf, from the hub or a local folder with its layout."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from lenity.config.names import Inside
from lenity.data.base import DATASETS, ReadReport
from lenity.data.conversation import Conversation
from lenity.data.human_assistant import prompt_of
from lenity.data.table import Table


@DATASETS.register("hh-rlhf")
class HHRLHF(Table):
    r"""Prompts of Anthropic/hh-rlhf: transcripts cut after their last ``\n\nAssistant:``."""

    dataset: str = Field("Anthropic/hh-rlhf", description="hub name, or a local folder with its layout")
    subset: Inside | None = Field(
        None, description="sub-folder such as harmless-base or helpful-base; default: all of them"
    )
    column: str = Field("chosen", description="column with the transcripts")

    def read(self) -> tuple[Sequence[Conversation], ReadReport]:
        """The prompts in the order of the rows, and the report."""
        conversations, report = self.rows(self.column, prompt_of)
        kept = [one for one in conversations if one is not None]
        report.drop("not from 'Human:' to 'Assistant:'", len(conversations) - len(kept))
        report.kept = len(kept)
        return kept, report
