"""Budget and protocol: the cost of the fronts, how they were measured, and the judge's settings and answers from ``judge.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lenity.console.progress import elapsed
from lenity.evaluation.protocol import FRONT_RULE, MARGIN, Protocol
from lenity.judge.endpoint import is_loopback
from lenity.report import judge
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Cell, Table, number, settings_text, weights_text
from lenity.report.tables import PASSES

MOST_WEIGHTS = 24
JUDGE_SETTINGS = ("repeats", "limit", "temperature", "seed", "max_tokens", "parse_retries", "extra")
JUDGE_SCALE = "integers from 0 to 10; standardised scores use the mean and standard deviation of the reference policy's, computed when the report is written and not part of the protocol"


def budget(comparison: Comparison) -> Table | None:
    """A table of the cost of each method's front, per seed; None without a comparison."""
    if not comparison.methods:
        return None
    headings = ["method", "trainings", "tokens generated", "reward calls", "forward passes", "backward passes", "time"]
    rows = []
    for one in comparison.everyone:
        cost = one.cost
        counts = (cost.tokens, cost.reward_calls, cost.forward_passes, cost.backward_passes)
        cells = [f"{cost.runs:g}", *(f"{count:,.0f}" for count in counts), elapsed(cost.seconds)]
        rows.append([Cell(one.method), *map(Cell, cells)])
    caption = f"Cost of the trainings behind each method's front, per seed; each training stores one adapter. {PASSES}"
    return Table(headings, rows, caption)


def protocol(evidence: Evidence) -> list[tuple[str, str]]:
    """Terms and descriptions of the protocol, of the judge and of how fronts are measured."""
    known = evidence.protocol or next((run.protocol for run in evidence.runs if run.protocol is not None), None)
    measured = (
        _measured(known)
        if known
        else [("Protocol", "These runs have no protocol.yaml; evaluate them again to record one.")]
    )
    points = [(f"Reference point, {one.view.name}", _point(one)) for one in evidence.comparisons]
    weights = list({tuple(sorted(run.weights.items())): run.weights for run in evidence.runs}.values())
    shown = "; ".join(map(weights_text, weights[:MOST_WEIGHTS]))
    more = f"; and {len(weights) - MOST_WEIGHTS} more" if len(weights) > MOST_WEIGHTS else ""
    return [
        *measured, *judging(judge.folder_of(evidence.read)), *points,
        ("Reference front", f"{known.reference_front if known else FRONT_RULE}, recomputed in each resample"),
        ("Weights", shown + more), ("Seeds", _seeds(evidence)),
        ("Intervals", "95 %, bootstrap over prompts" + (" and seeds" if len(evidence.main.seeds) > 1 else "") + ", 1000 resamples, the same for all methods"),
    ]  # fmt: skip


def _seeds(evidence: Evidence) -> str:
    """The seeds that are compared, and all seeds where these differ."""
    compared, known = evidence.main.seeds, sorted({run.seed for run in evidence.runs})
    if not compared or compared == known:
        return ", ".join(map(str, known))
    return f"{', '.join(map(str, compared))} compared, of {', '.join(map(str, known))}"


def _measured(known: Protocol) -> list[tuple[str, str]]:
    constants = [
        f"{name}: mean {number(part['mean'])}, standard deviation {number(part['std'])}"
        for name, part in known.standardisation.items()
    ]
    return [
        ("Prompts", f"{known.prompts.count}, sha256 {known.prompts.sha256}"),
        ("Training prompts", known.caution or "No held-out prompt is a training prompt."),
        ("Decoding", settings_text(known.decoding)),
        *((f"Reward {name}", settings_text(settings)) for name, settings in known.rewards.items()),
        ("Standardisation", "; ".join(constants)),
    ]


def _point(comparison: Comparison) -> str:
    pairs = zip(comparison.objectives, comparison.reference, strict=True)
    rule = (
        f"fixed: the reference policy's mean minus {MARGIN:g}" if comparison.rule == "fixed"
        else "nadir: the lowest mean of any run, which favours comparisons with bad runs"
    )  # fmt: skip
    return f"{', '.join(f'{name} {number(value)}' for name, value in pairs)}, standardised ({rule})"


def judging(folder: Path) -> list[tuple[str, str]]:
    """Terms and descriptions of the judge; empty without ``judge.json``. The endpoint's name may be private and is left out."""
    file = folder / "judge.json"
    if not file.is_file():
        return []
    summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    rubrics = ", ".join(f"{name} sha256 {digest}" for name, digest in summary["rubrics"].items())
    return [
        ("Judge", f"{summary['model']}, {_judge_place(summary['endpoint'])}"), ("Judge's rubrics", rubrics),
        ("Judge's questions", settings_text({name: summary[name] for name in JUDGE_SETTINGS})),
        ("Judge's answers", _judge_answers(summary)), ("Judge's scores", JUDGE_SCALE),
    ]  # fmt: skip


def _judge_place(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if is_loopback(parts.hostname or ""):
        return "on the same machine"
    return f"on another machine, over {parts.scheme}"


def _judge_answers(summary: dict[str, Any]) -> str:
    rate = summary["parse_failure_rate"]
    if rate["value"] is None:
        return "none"
    share, low, high = (f"{100 * rate[name]:.1f}" for name in ("value", "low", "high"))
    return (
        f"{share} % [{low}, {high}] of {summary['calls'] + summary['from_cache']:,} were no integer from 0 to 10; "
        f"{summary['missing_scores']:,} of {summary['questions']:,} scores are missing"
    )
