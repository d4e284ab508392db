"""Measurements of one reward; a row that it cannot score is recorded with the reason."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenity.data.conversation import Prompt
from lenity.doctor.measurements import RewardStats
from lenity.pareto import confidence
from lenity.pareto.confidence import Interval
from lenity.rewards.asking import ask
from lenity.rewards.base import Reward, RewardSpec
from lenity.rewards.no_score import NoScore

Array = NDArray[np.float64]
END = 0.01  # share of the range within which a score counts as smallest or largest
NONE = math.nan


def measure_reward(
    spec: RewardSpec, reward: Reward, prompts: Sequence[Prompt | str], responses: Sequence[str]
) -> tuple[RewardStats, Array]:
    """The measurements, and the raw scores of the responses, (n,), NaN where there is none."""
    own, unscorable = score_rows(reward, prompts, responses)
    beats: dict[str, Interval] = {}
    broken: dict[str, str] = {}
    for kind, others in contrasts(responses).items():
        scores, why = score_rows(reward, prompts, others)
        beats[kind] = _beats(own, scores)
        broken |= {kind: next(iter(why.values()))} if why else {}
    finite = own[np.isfinite(own)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (NONE, NONE)
    near = END * (high - low)
    stats = RewardStats(
        mean=float(finite.mean()) if len(finite) else NONE, std=float(finite.std(ddof=1)) if len(finite) > 1 else NONE,
        low=low, high=high, at_low=_share(finite <= low + near), at_high=_share(finite >= high - near),
        unscorable=unscorable, beats=beats, broken=broken, accuracy=_accuracy(spec),
    )  # fmt: skip
    return stats, own


def score_rows(
    reward: Reward, prompts: Sequence[Prompt | str], responses: Sequence[str]
) -> tuple[Array, dict[int, str]]:
    """One score per row, (n,), NaN where there is none; and the reasons, by row."""
    scores = ask(reward, prompts, responses)
    return np.array(scores), {i: score.why for i, score in enumerate(scores) if isinstance(score, NoScore)}


def contrasts(responses: Sequence[str]) -> dict[str, list[str]]:
    """Worse texts to the same prompts: responses to other prompts, empty texts, and each response's first word repeated.

    >>> contrasts([" go on", " stop"])
    {'shuffled': [' stop', ' go on'], 'empty': ['', ''], 'repeated': [' go go', ' stop']}
    """
    repeated = []
    for response in responses:
        words = response.split() or ["the"]
        repeated.append(" " + " ".join([words[0]] * len(words)))
    return {
        "shuffled": [*responses[1:], *responses[:1]],
        "empty": [""] * len(responses),
        "repeated": repeated,
    }


def _beats(own: Array, others: Array) -> Interval:
    both = np.isfinite(own) & np.isfinite(others)
    if not both.any():
        return Interval(NONE, NONE, NONE)
    return confidence.mean((own[both] > others[both]) + 0.5 * (own[both] == others[both]))


def _accuracy(spec: RewardSpec) -> float | None:
    file = Path(str(getattr(spec, "model", ""))) / "report.json"
    if not file.is_file():
        return None
    accuracy = json.loads(file.read_text(encoding="utf-8")).get("accuracy")
    if accuracy is None:
        return None
    return float(accuracy) if getattr(spec, "sign", 1) >= 0 else 1 - float(accuracy)


def _share(rows: NDArray[np.bool_]) -> float:
    return float(rows.mean()) if len(rows) else NONE
