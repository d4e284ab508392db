"""The judge's scores beside the rewards'."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

JUDGED, JUDGE = "judge.parquet", "judge: "


def scores(folders: Sequence[Path]) -> pd.DataFrame | None:
    """What a judge gave to responses of ``folders``; None where there is no judge, or where two of them do not agree."""
    import pandas as pd

    tables = [pd.read_parquet(folder / JUDGED) for folder in folders if (folder / JUDGED).is_file()]
    if len(tables) < 2:
        return tables[0] if tables else None
    known = [
        json.loads(file.read_text(encoding="utf-8")) for folder in folders if (file := folder / "judge.json").is_file()
    ]
    asked = ["prompt_id", "response", "objective"]
    together = pd.concat(tables, ignore_index=True).drop_duplicates([*asked, "score"])
    alike = len({json.dumps([one.get("model"), one.get("rubrics")], sort_keys=True) for one in known}) < 2
    return together if alike and not together.duplicated(asked).any() else None


def folder_of(folders: Sequence[Path]) -> Path:
    """The first of ``folders`` that a judge has scores for; without any the first."""
    return next((folder for folder in folders if (folder / JUDGED).is_file()), folders[0])


def with_scores(frame: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Rows of the judge's scores beside the rewards', as ``judge: <objective>``; standardised on the reference policy's.

    A run of which a response to one of the judged prompts was not asked about is newer than the judging; it gets none.
    """
    import pandas as pd

    each = frame.drop_duplicates(["policy", "prompt_id"]).drop(columns=["objective", "held_out", "raw", "standardised"])
    scores = judged[["prompt_id", "response", "objective", "score"]].rename(columns={"score": "raw"})
    rows = each.merge(scores, on=["prompt_id", "response"])
    answered = len(rows.drop_duplicates(["policy", "prompt_id"]))
    if rows.empty or answered < each["prompt_id"].isin(judged["prompt_id"]).sum():
        return frame
    start = rows[rows["policy"] == "reference"].groupby("objective")["raw"]
    mean, std = (rows["objective"].map(figure) for figure in (start.mean(), start.std()))
    rows["standardised"] = (rows["raw"] - mean) / std.where(std > 0, 1.0)
    rows["objective"], rows["held_out"] = JUDGE + rows["objective"], True
    return pd.concat([frame, rows], ignore_index=True)
