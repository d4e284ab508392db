"""Figures of one reward, whatever it does on single rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lenity.data.conversation import Prompt
from lenity.doctor.figures import RewardFigures
from lenity.pareto import confidence
from lenity.pareto.confidence import Interval
from lenity.rewards.asking import ask
from lenity.rewards.base import Reward, RewardSpec
from lenity.rewards.no_score import NoScore

Array = NDArray[np.float64]
END = 0.01  # of the range: nearer than that to its end, a score is at it
NONE = math.nan


def measure_reward(
    spec: RewardSpec, reward: Reward, prompts: Sequence[Prompt | str], responses: Sequence[str]
) -> tuple[RewardFigures, Array]:
    """The figures, and the raw scores of the responses, (n,), NaN where there is none."""
    own, unscorable = score_rows(reward, prompts, responses)
    beats: dict[str, Interval] = {}
    broken: dict[str, str] = {}
    for kind, others in contrasts(responses).items():
        scores, why = score_rows(reward, prompts, others)
        beats[kind] = _beats(own, scores)
        broken |= {kind: next(iter(why.values()))} if why else {}
    known = own[np.isfinite(own)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (NONE, NONE)
    near = END * (high - low)
    figures = RewardFigures(
        mean=float(known.mean()) if len(known) else NONE, std=float(known.std(ddof=1)) if len(known) > 1 else NONE,
        low=low, high=high, at_low=_share(known <= low + near), at_high=_share(known >= high - near),
        unscorable=unscorable, beats=beats, broken=broken, accuracy=_accuracy(spec),
    )  # fmt: skip
    return figures, own


def score_rows(
    reward: Reward, prompts: Sequence[Prompt | str], responses: Sequence[str]
) -> tuple[Array, dict[int, str]]:
    """A score a row, (n,), NaN where there is none; and why, by row."""
    scores = ask(reward, prompts, responses)
    return np.array(scores), {i: score.why for i, score in enumerate(scores) if isinstance(score, NoScore)}


def contrasts(responses: Sequence[str]) -> dict[str, list[str]]:
    """Texts that a good response should beat: those to other prompts, nothing, and its own first word over and over.

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
    found = json.loads(file.read_text(encoding="utf-8")).get("accuracy")
    if found is None:
        return None
    return float(found) if getattr(spec, "sign", 1) >= 0 else 1 - float(found)


def _share(rows: NDArray[np.bool_]) -> float:
    return float(rows.mean()) if len(rows) else NONE
