"""Prompts of PKU-Alignment/BeaverTails, from the hub or a local folder with its layout."""

from __future__ import annotations

from pydantic import Field

from lenity.data.base import DATASETS
from lenity.data.columns import Columns


@DATASETS.register("beavertails")
class BeaverTails(Columns):
    """Questions of PKU-Alignment/BeaverTails as one-turn prompts. Each question has several answers; repeats are dropped later."""

    dataset: str = Field("PKU-Alignment/BeaverTails", description="hub name, or a local folder with its layout")
    split: str = Field("30k_train", description="split: 30k_train, 30k_test, 330k_train or 330k_test")
