"""Evaluated runs -> questions: one per objective for each distinct response to each prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.data.loading import evenly_spaced
from lenity.errors import DataError
from lenity.evaluation.places import FILE, evaluated
from lenity.judge.config import JudgeConfig
from lenity.judge.rubrics import REMINDER, message

if TYPE_CHECKING:
    import pandas as pd

_STRIDE = 100  # seeds per repeat, more than it can have attempts


@dataclass(frozen=True)
class Question:
    """One response to rate on one objective."""

    prompt_id: str
    response: str
    objective: str
    system: str
    user: str

    def request(self, config: JudgeConfig, repeat: int, attempt: int) -> dict[str, Any]:
        """The body of the request; each repeat and attempt has its own seed, and later attempts a reminder of the format."""
        user = self.user + (REMINDER if attempt else "")
        seed = None if config.seed is None else config.seed + _STRIDE * repeat + attempt
        fields = {"temperature": config.temperature, "max_tokens": config.max_tokens, "seed": seed}
        return {
            "model": config.model,
            "messages": [{"role": "system", "content": self.system}, {"role": "user", "content": user}],
            **{name: value for name, value in fields.items() if value is not None},
            **config.extra,
        }


def read_runs(folder: Path) -> dict[str, pd.DataFrame]:
    """The responses of every evaluated run at or below ``folder``, by the run's path in it.

    Raises:
        CheckpointError: there is none.
    """
    import pandas as pd

    columns = ["policy", "prompt_id", "prompt", "response", "objective", "held_out"]
    places = [place for _, place in evaluated(folder)]
    names = [folder.name if place == folder else str(place.relative_to(folder)) for place in places]
    return {name: pd.read_parquet(place / FILE, columns=columns) for name, place in zip(names, places, strict=True)}


def trained(runs: Mapping[str, pd.DataFrame]) -> list[str]:
    """The objectives that any run was trained on."""
    names = [name for rows in runs.values() for name in rows.loc[~rows["held_out"], "objective"].unique()]
    return list(dict.fromkeys(map(str, names)))


def distinct(runs: Mapping[str, pd.DataFrame], limit: int | None) -> pd.DataFrame:
    """The distinct responses per prompt, columns ``prompt_id``, ``prompt``, ``response``; of ``limit`` evenly spaced prompts.

    Raises:
        DataError: two prompts share a ``prompt_id``.
    """
    import pandas as pd

    columns = ["prompt_id", "prompt", "response"]
    rows = pd.concat([part[columns].drop_duplicates() for part in runs.values()]).drop_duplicates()
    prompts = rows.drop_duplicates(["prompt_id", "prompt"])["prompt_id"]
    if (twice := prompts[prompts.duplicated()]).any():
        raise DataError(
            f"the runs use prompt_id '{twice.iloc[0]}' for two different prompts.", "Evaluate the runs again."
        )
    return rows[rows["prompt_id"].isin(evenly_spaced(prompts.tolist(), limit))]


def questions(responses: pd.DataFrame, rubrics: Mapping[str, str]) -> list[Question]:
    """One question per objective for each row of ``responses``, see :func:`distinct`."""
    rows = responses[["prompt_id", "prompt", "response"]].itertuples(index=False)
    texts = [(str(row.prompt_id), str(row.response), message(str(row.prompt), str(row.response))) for row in rows]
    return [
        Question(prompt_id, response, objective, system, user)
        for prompt_id, response, user in texts
        for objective, system in rubrics.items()
    ]
