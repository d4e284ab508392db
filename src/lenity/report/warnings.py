"""Warnings that a result may be misleading, each with what to do. The constants below are the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval, intervals
from lenity.report.collect import measuring
from lenity.report.comparison import Comparison
from lenity.report.coverage import MOST_NAMED, Sign, left_out
from lenity.report.evidence import Evidence
from lenity.report.judge import JUDGE
from lenity.report.panels.base import signed, weights_text, with_bracket
from lenity.report.scores import Scores
from lenity.report.spots import grouped

LENGTH_DRIFT = (
    0.3  # share by which mean response length differs from the reference policy's, its paired interval excluding 0
)
MOST_KL = 15.0  # nats per response
UNFINISHED = 0.1  # by which the truncated share of responses exceeds the reference policy's, its interval above 0
LENGTH = (
    f"Response length differs by more than {100 * LENGTH_DRIFT:.0f} % from the reference policy's",
    "Read responses of these policies: a reward model may prefer longer or shorter ones that are not better.",
)
KL = (
    f"KL from the reference policy is above {MOST_KL:g} nats per response",
    "Reward models are less reliable far from the reference policy: read responses, compare held-out rewards, raise kl.coefficient.",
)
CUT = (
    f"The truncated share of responses rose by more than {100 * UNFINISHED:.0f} %",
    "A reward may favour responses that never end: see response length, raise rollout.max_new_tokens.",
)
UNEQUAL = 0.1  # share by which one method's generated tokens exceed another's
HACKING = "The clearest sign of reward hacking: read responses of these policies, and trust the held-out view."

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """One policy with a warning, and how strong it is there."""

    strength: float
    name: str
    text: str


def signs(evidence: Evidence, scores: Scores) -> list[Sign]:
    """All warnings of a report."""
    return [
        *_of_runs(evidence, scores), *rising(evidence, scores), *left_out(evidence),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(comparison)),
        *_of_seeds(evidence), *_of_tokens(evidence), *_of_prompts(evidence), *_unfinished(evidence),
    ]  # fmt: skip


def _of_runs(evidence: Evidence, scores: Scores) -> list[Sign]:
    """Warnings about response length, KL and truncated responses of single runs."""
    names = [f"{run.method}, {weights_text(run.weights)}, seed {run.seed}" for run in evidence.runs]
    length = _changes([one.tokens for one in scores.aligned], scores.reference.tokens)
    cut = _changes([1 - one.finished for one in scores.aligned], 1 - scores.reference.finished)
    kl = _changes([one.kl for one in scores.aligned], np.zeros(len(scores.prompts)))
    before = max(float(scores.reference.tokens.mean()), 1e-9)
    runs = len(evidence.runs)
    drifted = [
        Place(abs(one.value), name, f"{signed(one)} tokens, {100 * one.value / before:+.0f} %")
        for name, one in zip(names, length, strict=True)
        if one.excludes_zero and abs(one.value) > LENGTH_DRIFT * before
    ]
    far = [
        Place(one.value, name, f"{with_bracket(one)} nats")
        for name, one in zip(names, kl, strict=True)
        if one.value > MOST_KL
    ]
    unfinished = [
        Place(one.value, name, f"{100 * one.value:+.0f} % of responses")
        for name, one in zip(names, cut, strict=True)
        if one.low > 0 and one.value > UNFINISHED
    ]
    return [*_strongest(drifted, LENGTH, runs), *_strongest(far, KL, runs), *_strongest(unfinished, CUT, runs)]


def _strongest(places: list[Place], words: tuple[str, str], of: int) -> list[Sign]:
    """One warning that names the strongest of ``places``, out of ``of`` policies; none without places."""
    if not places:
        return []
    order = sorted(places, key=lambda place: -place.strength)[:MOST_NAMED]
    named = "; ".join(f"{place.name} ({place.text})" for place in order)
    most = "strongest at " if len(places) > MOST_NAMED else ""
    return [Sign(words[0], f"{len(places)} of {of} policies: {most}{named}", words[1])]


def rising(evidence: Evidence, scores: Scores) -> list[Sign]:
    """Warnings about policies of which an objective rises by its trained reward and falls by another measure, both intervals excluding 0."""
    warned = []
    groups = grouped(evidence)
    for column, name in measuring(evidence.runs).items():
        judge = column.startswith(JUDGE)
        places = []
        for (method, _), runs in groups.items():
            gains = _gains(scores, runs, [name, column])
            if gains and gains[0].low > 0 and gains[1].high < 0:
                text = f"{signed(gains[0])} trained, {signed(gains[1])} by {'the judge' if judge else column}"
                at = weights_text(evidence.runs[runs[0]].weights)
                places.append(Place(-gains[1].value, f"{method}, {at}", text))
        other = "the judge" if judge else f"the held-out reward {column}"
        warned += _strongest(places, (f"{name}: the trained reward rises while {other} falls", HACKING), len(groups))
    return warned


def _gains(scores: Scores, runs: Sequence[int], columns: Sequence[str]) -> list[Interval]:
    """Mean gains over the reference policy by each of ``columns``, over the prompts with all scores; empty without such prompts."""
    gain = scores.stack(runs, columns) - scores.start(columns)
    known = np.isfinite(gain).all((0, 2))
    return intervals(gain[:, known]) if known.any() else []


def _of_comparison(comparison: Comparison) -> list[Sign]:
    """Warnings about fronts of a single point, and a reference point that depends on the runs."""
    view, warned = comparison.view.name, []
    single = [
        one.method
        for one in comparison.methods
        if len(comparison.weights) > 1 and one.metrics["non-dominated"].value <= 1
    ]
    if single:
        advice = "One policy is at least as good as all others in every objective: this method does not follow the weights, or the objectives do not conflict."
        warned.append(Sign("A front is a single point", f"{', '.join(single)} by {view}", advice))
    if comparison.rule == "nadir":
        advice = "The nadir rule favours comparisons with bad runs; the default is a fixed point."
        warned.append(Sign("The reference point depends on the runs", f"hypervolume by {view}", advice))
    return warned


def _of_seeds(evidence: Evidence) -> list[Sign]:
    seeds = evidence.main.seeds or sorted({run.seed for run in evidence.runs})
    if len(seeds) != 1:
        return []
    advice = (
        "Intervals are over prompts and do not include the variation between training seeds; sweep with --seeds 0,1,2."
    )
    return [Sign("One seed", f"seed {seeds[0]}", advice)]


def _of_prompts(evidence: Evidence) -> list[Sign]:
    """A warning about held-out prompts that are training prompts, which are left out."""
    known = evidence.protocol or next((run.protocol for run in evidence.runs if run.protocol), None)
    if known is None or not known.trained_on:
        return []
    return [Sign("Held-out prompts that are training prompts", str(known.caution), "No result here includes them.")]


def _unfinished(evidence: Evidence) -> list[Sign]:
    """A warning about evaluated checkpoints of unfinished runs."""
    where = [f"{run.name}, seed {run.seed}" for run in evidence.runs if run.iteration is not None]
    advice = "Finish these runs and evaluate them again for results of the whole training."
    return [Sign("Runs were not finished when they were evaluated", "; ".join(where), advice)] if where else []


def _of_tokens(evidence: Evidence) -> list[Sign]:
    """A warning where the methods' numbers of generated tokens differ."""
    tokens = {one.method: one.cost.tokens for one in evidence.main.methods if one.cost.tokens > 0}
    if not tokens or max(tokens.values()) <= (1 + UNEQUAL) * min(tokens.values()):
        return []
    where = ", ".join(f"{method} {count:,.0f}" for method, count in tokens.items())
    advice = "A method may be better only because it generated more; give all methods the same budget.tokens, or compare results with the budget."
    return [Sign(f"Generated tokens of the fronts differ by more than {100 * UNEQUAL:.0f} %", where, advice)]


def _changes(aligned: Sequence[Array], start: Array) -> list[Interval]:
    """Mean differences from the reference policy, paired by prompt, one per run."""
    return intervals((np.stack(aligned, axis=1) - start[:, None])[None])
