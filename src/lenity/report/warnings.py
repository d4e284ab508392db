"""Signs that a result may not be what it seems; each says what to look at. The constants below are the thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lenity.pareto.confidence import Interval
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.panels.base import signed, weights_text, with_bracket
from lenity.report.resamples import intervals
from lenity.report.scores import Scores
from lenity.report.spots import Spot

LENGTH_DRIFT = (
    0.3  # share by which mean response length differs from the reference policy's, its paired interval excluding 0
)
MOST_KL = 15.0  # nats a response
UNFINISHED = 0.1  # by which the share of responses cut off by the length limit exceeds the reference policy's, likewise
MOST_NAMED = 4  # policies named in one warning
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
HACKING = "The likeliest sign of reward hacking: read responses at these points, and trust the held-out view."

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where a sign was seen, and how strong it is there."""

    strength: float
    name: str
    text: str


@dataclass(frozen=True)
class Sign:
    """What was seen, where, and what to look at."""

    what: str
    where: str
    look: str


def signs(evidence: Evidence, scores: Scores, spots: dict[str, list[Spot]]) -> list[Sign]:
    """All of them; ``spots`` by view."""
    return [
        *_of_runs(evidence, scores), *rising(evidence, spots),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(evidence, comparison)),
        *_of_seeds(evidence),
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
    return [*_sign(drifted, LENGTH, runs), *_sign(far, KL, runs), *_sign(unfinished, CUT, runs)]


def rising(evidence: Evidence, spots: dict[str, list[Spot]]) -> list[Sign]:
    """Policies of which an objective rises by the trained reward and falls by a held-out one or the judge, both intervals excluding 0."""
    trained = {(spot.method, weights_text(spot.weights)): spot for spot in spots.get("trained rewards", [])}
    found = []
    for view, k, name in [
        (one.view.name, k, name)
        for one in evidence.comparisons
        for k, name in enumerate(one.objectives)
        if one.view.name != "trained rewards"
    ]:
        places = []
        for spot in spots[view]:
            proxy, own = trained.get((spot.method, weights_text(spot.weights))), spot.gain[k]
            if proxy is not None and proxy.gain[k].low > 0 and own.high < 0:
                text = f"{signed(proxy.gain[k])} trained, {signed(own)} by {view}"
                places.append(Place(-own.value, f"{spot.method}, {weights_text(spot.weights)}", text))
        what = f"{name}: the trained reward rises while {'the judge falls' if view == 'judge' else f'{view} fall'}"
        found += _sign(places, (what, HACKING), len(spots[view]))
    return found


def _of_comparison(evidence: Evidence, comparison: Comparison) -> list[Sign]:
    """Missing scores, methods left out, fronts of one point, a reference point that depends on the runs."""
    view, found = comparison.view.name, []
    if comparison.missing:
        share = comparison.missing / (comparison.missing + comparison.prompts)
        where = f"{comparison.missing} prompts ({100 * share:.0f} %) by {view}"
        found.append(
            Sign(
                "Scores are missing",
                where,
                "These prompts are left out for all methods; see the judge's raw answers and its failures.",
            )
        )
    compared = {one.method for one in comparison.methods}
    left = [method for method in dict.fromkeys(run.method for run in evidence.runs) if method not in compared]
    if left:
        found.append(
            Sign(
                "Methods are left out of the comparison",
                f"{', '.join(left)} by {view}",
                "They lack most of the others' weights or seeds; their points are drawn, but no figure is given.",
            )
        )
    single = [
        one.method
        for one in comparison.methods
        if len(comparison.weights) > 1 and one.figures["non-dominated"].value <= 1
    ]
    if single:
        found.append(
            Sign(
                "A front is a single point",
                f"{', '.join(single)} by {view}",
                "One policy is at least as good as all others in every objective: weights do not steer this method, or the objectives do not conflict.",
            )
        )
    if comparison.rule == "nadir":
        found.append(
            Sign(
                "The reference point depends on the runs",
                f"hypervolume by {view}",
                "The nadir rule rewards a comparison with bad runs; the default is a fixed point.",
            )
        )
    return found  # fmt: skip


def _of_seeds(evidence: Evidence) -> list[Sign]:
    if len({run.seed for run in evidence.runs}) > 1:
        return []
    look = "Intervals are over prompts alone and say nothing of training again; sweep with --seeds 0,1,2."
    return [Sign("One seed", f"seed {evidence.runs[0].seed}", look)]


def _changes(aligned: Sequence[Array], start: Array) -> list[Interval]:
    """Mean differences from the reference policy, paired by prompt, one a run."""
    return intervals((np.stack(aligned, axis=1) - start[:, None])[None])


def _sign(places: list[Place], words: tuple[str, str], of: int) -> list[Sign]:
    """One warning of a kind, with the places where it is strongest."""
    if not places:
        return []
    order = sorted(places, key=lambda place: -place.strength)[:MOST_NAMED]
    named = "; ".join(f"{place.name} ({place.text})" for place in order)
    most = "strongest at " if len(places) > MOST_NAMED else ""
    return [Sign(words[0], f"{len(places)} of {of} policies: {most}{named}", words[1])]
