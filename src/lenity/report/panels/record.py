"""Budget and protocol: what the fronts took, and how they were measured."""

from __future__ import annotations

from lenity.console.progress import elapsed
from lenity.evaluation.protocol import FRONT_RULE, MARGIN, Protocol
from lenity.report import judge
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import Cell, Table, number, settings_text, weights_text
from lenity.report.panels.judging import judging
from lenity.report.tables import PASSES

MOST_WEIGHTS = 24


def budget(comparison: Comparison) -> Table | None:
    """Of each method's whole front, one seed."""
    if not comparison.methods:
        return None
    headings = ["method", "trainings", "tokens generated", "reward calls", "forward passes", "backward passes", "time"]
    rows = []
    for found in comparison.everyone:
        cost = found.cost
        counts = (cost.tokens, cost.reward_calls, cost.forward_passes, cost.backward_passes)
        cells = [f"{cost.runs:g}", *(f"{count:,.0f}" for count in counts), elapsed(cost.seconds)]
        rows.append([Cell(found.method), *map(Cell, cells)])
    caption = f"What the trainings behind each method's front took, one seed; each training leaves one adapter to store. {PASSES}"
    return Table(headings, rows, caption)


def protocol(evidence: Evidence) -> list[tuple[str, str]]:
    """Terms and descriptions; the first says that there is no protocol where there is none."""
    known = evidence.protocol or next((run.protocol for run in evidence.runs if run.protocol is not None), None)
    measured = (
        _measured(known)
        if known
        else [("Protocol", "These runs have no protocol.yaml; evaluate them again to freeze how they were measured.")]
    )
    points = [(f"Reference point, {one.view.name}", _point(one)) for one in evidence.comparisons]
    weights = list({tuple(sorted(run.weights.items())): run.weights for run in evidence.runs}.values())
    shown = "; ".join(map(weights_text, weights[:MOST_WEIGHTS]))
    more = f"; and {len(weights) - MOST_WEIGHTS} more" if len(weights) > MOST_WEIGHTS else ""
    return [
        *measured, *judging(judge.folder_of(evidence.read)), *points,
        ("Reference front", f"{known.reference_front if known else FRONT_RULE}, found anew in each resample"),
        ("Weights", shown + more), ("Seeds", _seeds(evidence)),
        ("Intervals", "95 %, bootstrap over prompts" + (" and seeds" if len(evidence.main.seeds) > 1 else "") + ", 1000 resamples, the same for all methods"),
    ]  # fmt: skip


def _seeds(evidence: Evidence) -> str:
    """Those of the comparison, and others that there are."""
    compared, known = evidence.main.seeds, sorted({run.seed for run in evidence.runs})
    if not compared or compared == known:
        return ", ".join(map(str, known))
    return f"{', '.join(map(str, compared))} compared; there are {', '.join(map(str, known))}"


def _measured(known: Protocol) -> list[tuple[str, str]]:
    constants = [
        f"{name}: mean {number(part['mean'])}, standard deviation {number(part['std'])}"
        for name, part in known.standardisation.items()
    ]
    return [
        ("Prompts", f"{known.prompts.count}, sha256 {known.prompts.sha256}"),
        ("Prompts trained on", known.caution or "None is among the training prompts."),
        ("Decoding", settings_text(known.decoding)),
        *((f"Reward {name}", settings_text(settings)) for name, settings in known.rewards.items()),
        ("Standardisation", "; ".join(constants)),
    ]


def _point(comparison: Comparison) -> str:
    pairs = zip(comparison.objectives, comparison.reference, strict=True)
    rule = (
        f"fixed: the reference policy's mean minus {MARGIN:g}" if comparison.rule == "fixed"
        else "nadir: the lowest mean of any run, which rewards a comparison with bad runs"
    )  # fmt: skip
    return f"{', '.join(f'{name} {number(value)}' for name, value in pairs)}, standardised ({rule})"
