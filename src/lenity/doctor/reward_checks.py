"""Checks of the rewards' measurements."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lenity.doctor.measurements import Check, Finding, Measurements, RewardStats, problem, unmeasured, warning
from lenity.pareto.confidence import Interval

FLIPPED = 0.4  # a reward prefers responses to every kind of worse text less often than this: its sign looks flipped
UNLIKE = 100.0  # ratio of standard deviations
SATURATED, CROWDED = 0.95, 0.5  # shares of responses at the smallest or largest score
SAME, OPPOSED = 0.95, -0.8
RARE = 0.05
SHORT = {
    "shuffled": "a response to another prompt",
    "empty": "an empty response",
    "repeated": "a response of one repeated word",
}
INSTEAD = {
    "shuffled": "responses to other prompts: it may ignore the prompt, or its sign or template may be wrong",
    "empty": "empty responses, so the policy can raise it by saying nothing; set rollout.min_new_tokens, or add a reward that prefers answers",
    "repeated": "one repeated word, so the policy can raise it by repeating itself; keep kl.coefficient high and read samples.jsonl",
}


def unscorable(measured: Measurements) -> Iterator[Finding]:
    """Findings on responses without a finite score, which training leaves out; too many end the run."""
    for name, stats in measured.rewards.items():
        if stats.unscorable:
            row, why = next(iter(stats.unscorable.items()))
            level = warning if stats.within(measured.tolerated, measured.responses.count) else problem
            yield level(
                f"scores of {name}",
                f"{len(stats.unscorable)} of {measured.responses.count} responses have no finite score (row {row}: {why}). Training leaves them out "
                f"and stops where their share of a batch exceeds tolerance.unscored ({measured.tolerated:.0%}); `lenity evaluate` accepts none. "
                "Return a number for every text.",
            )
        elif stats.broken:
            kind, why = next(iter(stats.broken.items()))
            yield warning(
                f"scores of {name}",
                f"{SHORT[kind]} has no finite score ({why}); training stops if the policy gives many of them. Return a number for every text.",
            )


def sign(measured: Measurements) -> Iterator[Finding]:
    """Findings on rewards that prefer clearly worse texts to responses, or rank held-out pairs worse than chance."""
    for name, stats in measured.rewards.items():
        lost = [kind for kind, share in stats.beats.items() if share.high < 0.5]
        if stats.accuracy is not None and stats.accuracy < 0.5:
            yield problem(
                f"sign of {name}",
                f"its report.json has a held-out accuracy of {stats.accuracy:.2f}, so its sign looks flipped: the policy would learn the opposite. "
                "Negate its `sign`, or train it with chosen and rejected exchanged.",
            )
        elif len(lost) == len(stats.beats) and all(share.value < FLIPPED for share in stats.beats.values()):
            yield problem(
                f"sign of {name}",
                "it prefers responses to other prompts, empty responses and one repeated word to real responses "
                f"({_shares(stats)}), so its sign looks flipped. Set `sign: -1`, or another `label`, if a higher score is worse.",
            )
        elif all(math.isnan(share.value) for share in stats.beats.values()):
            yield unmeasured(f"sign of {name}", "no prompt has a score for both its response and a worse text.")
        else:
            for kind in lost:
                yield warning(f"sign of {name}", f"it prefers {INSTEAD[kind]} ({_share(stats.beats[kind])}).")


def scale(measured: Measurements) -> Iterator[Finding]:
    """Findings on scores that vary too little for float32, and on objectives of very different standard deviation."""
    stds = {name: measured.rewards[name].std for name in measured.objectives if measured.rewards[name].std > 0}
    for name, std in stds.items():
        if std < 1e-6 * abs(measured.rewards[name].mean):
            yield warning(
                f"scale of {name}",
                f"its scores have a standard deviation of {std:.2g} around {measured.rewards[name].mean:.4g}, too little for float32, the precision of models. Subtract the constant part.",
            )
    if len(stds) < 2:
        yield unmeasured("scale", "fewer than two objectives have scores that vary, so there are no scales to compare.")
    elif (ratio := max(stds.values()) / min(stds.values())) > UNLIKE:
        large, small = max(stds, key=stds.__getitem__), min(stds, key=stds.__getitem__)
        yield warning(
            "scales",
            f"the scores of {large} vary {ratio:,.0f} times as much as those of {small}. Standardisation keeps the weights comparable; "
            f"but check that {small} is a logit and not a probability, and that {large}'s standard deviation is not due to a few outliers.",
        )


def saturation(measured: Measurements) -> Iterator[Finding]:
    """Findings on rewards that give most responses the same score."""
    for name, stats in measured.rewards.items():
        most, end = max((stats.at_low, "smallest"), (stats.at_high, "largest"))
        if math.isnan(stats.std):
            yield unmeasured(f"spread of {name}", "fewer than two responses have a finite score.")
        elif stats.std == 0:
            yield problem(
                f"spread of {name}",
                f"every response has the score {stats.mean:.4g}, which cannot be standardised and gives no signal. Check its template and label.",
            )
        elif most > SATURATED:
            yield problem(
                f"spread of {name}",
                f"{most:.0%} of the responses have its {end} score, {stats.high if end == 'largest' else stats.low:.4g}, so it distinguishes "
                "hardly any responses. Use `output: logit` in place of a probability, or a reward that is not saturated here.",
            )
        elif most > CROWDED:
            yield warning(
                f"spread of {name}",
                f"{most:.0%} of the responses have its {end} score; it distinguishes only the others, so training will raise it slowly.",
            )


def correlation(measured: Measurements) -> Iterator[Finding]:
    """Findings on pairs of objectives that are nearly equal or nearly opposite."""
    if not measured.correlations:
        yield unmeasured("correlation", "there is only one objective.")
    for pearson in measured.correlations:
        r, pair = pearson.value, f"{pearson.first} and {pearson.second}"
        if math.isnan(r.value):
            yield unmeasured(
                pair, "no correlation: one of them is constant, or fewer than four responses have both scores."
            )
        elif r.value > SAME:
            yield warning(
                pair,
                f"correlation {_interval(r)}: they are nearly the same, so their weights hardly matter. Drop one of them.",
            )
        elif r.value < OPPOSED:
            yield warning(
                pair,
                f"correlation {_interval(r)}: what raises one lowers the other, so expect hardly any gain on both, with leniency or without. "
                "Check that neither is the other with its sign flipped.",
            )


def conflict(measured: Measurements) -> Iterator[Finding]:
    """A finding where objectives rarely conflict, so that leniency has little effect."""
    if (stats := measured.conflict) is None:
        yield unmeasured("conflict", "fewer than two objectives of positive weight have scores that vary.")
    elif stats.rate < RARE:
        yield warning(
            "conflict",
            f"only {stats.rate:.0%} of the responses are above the mean of one objective and below that of another: all methods will give nearly the same result.",
        )


def _interval(value: Interval) -> str:
    return f"{value.value:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"


def _share(share: Interval) -> str:
    return f"the response wins {share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _shares(stats: RewardStats) -> str:
    return ", ".join(f"{share.value:.0%} against {kind}" for kind, share in stats.beats.items())


CHECKS: tuple[Check, ...] = (unscorable, sign, scale, saturation, correlation, conflict)
