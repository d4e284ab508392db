"""Signs that a result may not be what it seems; each says what to look at. The constants below are the thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval
from lenity.report.collect import measuring
from lenity.report.comparison import Comparison
from lenity.report.coverage import left_out
from lenity.report.evidence import Evidence
from lenity.report.judge import JUDGE
from lenity.report.panels.base import signed, weights_text, with_bracket
from lenity.report.resamples import intervals
from lenity.report.scores import Scores
from lenity.report.signs import Place, Sign, strongest
from lenity.report.spots import grouped

LENGTH_DRIFT = (
    0.3  # share by which mean response length differs from the reference policy's, its paired interval excluding 0
)
MOST_KL = 15.0  # nats a response
UNFINISHED = 0.1  # by which the share of responses cut off by the length limit exceeds the reference policy's, likewise
LENGTH = (
    f"Response length differs by more than {100 * LENGTH_DRIFT:.0f} % from the reference policy's",
    "Read responses at these points: longer or shorter ones may please a reward model without being better.",
)
KL = (
    f"KL over the reference policy is above {MOST_KL:g} nats a response",
    "The policy is far from where the reward models were trained: read responses, compare held-out rewards, raise kl.coefficient.",
)
CUT = (
    f"Responses cut off by the length limit rose by more than {100 * UNFINISHED:.0f} % of all",
    "A reward may favour text that never ends: see response length, raise rollout.max_new_tokens.",
)
UNEQUAL = 0.1  # share by which one method's generated tokens exceed another's
HACKING = "The likeliest sign of reward hacking: read responses at these points, and trust the held-out view."

Array = NDArray[np.float64]


def signs(evidence: Evidence, scores: Scores) -> list[Sign]:
    """All of them."""
    return [
        *_of_runs(evidence, scores), *rising(evidence, scores), *left_out(evidence),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(comparison)),
        *_of_seeds(evidence), *_of_tokens(evidence), *_of_prompts(evidence), *_unfinished(evidence),
    ]  # fmt: skip


def _of_runs(evidence: Evidence, scores: Scores) -> list[Sign]:
    """Length, KL and unfinished responses of every run, from one resampling."""
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
    return [*strongest(drifted, LENGTH, runs), *strongest(far, KL, runs), *strongest(unfinished, CUT, runs)]


def rising(evidence: Evidence, scores: Scores) -> list[Sign]:
    """Policies of which an objective rises by the trained reward and falls by what else measures it, both intervals excluding 0."""
    found = []
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
        found += strongest(places, (f"{name}: the trained reward rises while {other} falls", HACKING), len(groups))
    return found


def _gains(scores: Scores, runs: Sequence[int], columns: Sequence[str]) -> list[Interval]:
    """Mean gain over the reference policy by each of ``columns``, over the prompts that have all of them; none without any."""
    gain = scores.stack(runs, columns) - scores.start(columns)
    known = np.isfinite(gain).all((0, 2))
    return intervals(gain[:, known]) if known.any() else []


def _of_comparison(comparison: Comparison) -> list[Sign]:
    """Fronts of one point, a reference point that depends on the runs."""
    view, found = comparison.view.name, []
    single = [
        one.method
        for one in comparison.methods
        if len(comparison.weights) > 1 and one.figures["non-dominated"].value <= 1
    ]
    if single:
        look = "One policy is at least as good as all others in every objective: weights do not steer this method, or the objectives do not conflict."
        found.append(Sign("A front is a single point", f"{', '.join(single)} by {view}", look))
    if comparison.rule == "nadir":
        look = "The nadir rule rewards a comparison with bad runs; the default is a fixed point."
        found.append(Sign("The reference point depends on the runs", f"hypervolume by {view}", look))
    return found


def _of_seeds(evidence: Evidence) -> list[Sign]:
    seeds = evidence.main.seeds or sorted({run.seed for run in evidence.runs})
    if len(seeds) != 1:
        return []
    look = "Intervals are over prompts alone and say nothing of training again; sweep with --seeds 0,1,2."
    return [Sign("One seed", f"seed {seeds[0]}", look)]


def _of_prompts(evidence: Evidence) -> list[Sign]:
    """Prompts that were trained on, and left out."""
    known = evidence.protocol or next((run.protocol for run in evidence.runs if run.protocol), None)
    if known is None or not known.trained_on:
        return []
    return [Sign("Held-out prompts that were trained on", str(known.caution), "No figure here includes them.")]


def _unfinished(evidence: Evidence) -> list[Sign]:
    """Policies of checkpoints."""
    where = [f"{run.name}, seed {run.seed}" for run in evidence.runs if run.iteration is not None]
    look = "Finish these runs and evaluate them again for the figures of the whole training."
    return (
        [Sign("Policies of runs that were not finished when they were evaluated", "; ".join(where), look)]
        if where
        else []
    )


def _of_tokens(evidence: Evidence) -> list[Sign]:
    """Fronts are compared at equal generated tokens."""
    tokens = {one.method: one.cost.tokens for one in evidence.main.methods if one.cost.tokens > 0}
    if not tokens or max(tokens.values()) <= (1 + UNEQUAL) * min(tokens.values()):
        return []
    where = ", ".join(f"{method} {count:,.0f}" for method, count in tokens.items())
    look = "A method that saw more may be better for that alone; give all the same budget.tokens, or read the figures beside the budget."
    return [Sign(f"Generated tokens of the fronts differ by more than {100 * UNEQUAL:.0f} %", where, look)]


def _changes(aligned: Sequence[Array], start: Array) -> list[Interval]:
    """Mean differences from the reference policy, paired by prompt, one a run."""
    return intervals((np.stack(aligned, axis=1) - start[:, None])[None])
