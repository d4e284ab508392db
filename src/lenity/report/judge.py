"""The judge's scores, added to those of the rewards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

JUDGED, JUDGE = "judge.parquet", "judge: "


def scores(folders: Sequence[Path]) -> pd.DataFrame | None:
    """The judge's scores of responses in ``folders``; None where there are none, or where two judgings differ."""
    import pandas as pd

    tables = [pd.read_parquet(folder / JUDGED) for folder in folders if (folder / JUDGED).is_file()]
    if len(tables) < 2:
        return tables[0] if tables else None
    known = [
        json.loads(file.read_text(encoding="utf-8")) for folder in folders if (file := folder / "judge.json").is_file()
    ]
    key = ["prompt_id", "response", "objective"]
    together = pd.concat(tables, ignore_index=True).drop_duplicates([*key, "score"])
    alike = len({json.dumps([one.get("model"), one.get("rubrics")], sort_keys=True) for one in known}) < 2
    return together if alike and not together.duplicated(key).any() else None


def folder_of(folders: Sequence[Path]) -> Path:
    """The first of ``folders`` with scores of a judge, else the first."""
    return next((folder for folder in folders if (folder / JUDGED).is_file()), folders[0])


def with_scores(frame: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with rows of the judge's scores, named ``judge: <objective>`` and standardised on those of the reference policy.

    A run with a response to a judged prompt that the judge has not rated is newer than the judging: it gets no such rows.
    """
    import pandas as pd

    each = frame.drop_duplicates(["policy", "prompt_id"]).drop(columns=["objective", "held_out", "raw", "standardised"])
    scores = judged[["prompt_id", "response", "objective", "score"]].rename(columns={"score": "raw"})
    rows = each.merge(scores, on=["prompt_id", "response"])
    answered = len(rows.drop_duplicates(["policy", "prompt_id"]))
    if rows.empty or answered < each["prompt_id"].isin(judged["prompt_id"]).sum():
        return frame
    start = rows[rows["policy"] == "reference"].groupby("objective")["raw"]
    mean, std = (rows["objective"].map(constant) for constant in (start.mean(), start.std()))
    rows["standardised"] = (rows["raw"] - mean) / std.where(std > 0, 1.0)
    rows["objective"], rows["held_out"] = JUDGE + rows["objective"], True
    return pd.concat([frame, rows], ignore_index=True)
