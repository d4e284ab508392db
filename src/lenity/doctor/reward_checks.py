"""What the figures of rewards mean for a run."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lenity.doctor.figures import Figures, RewardFigures
from lenity.doctor.finding import Check, Finding, problem, unmeasured, warning
from lenity.pareto.confidence import Interval

FLIPPED = 0.4  # a reward that ranks responses above every contrast less often than this looks turned round
UNLIKE = 100.0  # scales further apart than this
SATURATED, CROWDED = 0.95, 0.5  # shares of responses at one end
SAME, OPPOSED = 0.95, -0.8
RARE = 0.05
INSTEAD = {
    "shuffled": "answers to other prompts: it may not look at the prompt, or its sign or template may be wrong",
    "empty": "silence, so the policy can raise it by saying nothing; set rollout.min_new_tokens, or weigh it beside one that wants answers",
    "repeated": "one word over and over, so the policy can raise it by repeating itself; keep kl.coefficient up and read samples.jsonl",
}


def unscorable(figures: Figures) -> Iterator[Finding]:
    """Rows without a finite score teach nothing, and too many of them end a run."""
    for name, found in figures.rewards.items():
        if found.unscorable:
            row, why = next(iter(found.unscorable.items()))
            told = warning if found.within(figures.tolerated, figures.responses.count) else problem
            yield told(
                f"scores of {name}",
                f"{len(found.unscorable)} of {figures.responses.count} responses have no finite score (row {row}: {why}); training leaves them out, "
                f"and stops where they are more of a batch than tolerance.unscored ({figures.tolerated:.0%}). `lenity evaluate` accepts none. "
                "Return a number for any text.",
            )
        elif found.broken:
            kind, why = next(iter(found.broken.items()))
            yield warning(
                f"scores of {name}",
                f"a response that is {kind} has no finite score ({why}); training stops if the policy gives many of them. Return a number for any text.",
            )


def sign(figures: Figures) -> Iterator[Finding]:
    """A reward should prefer responses to what is plainly worse."""
    for name, found in figures.rewards.items():
        lost = [kind for kind, share in found.beats.items() if share.high < 0.5]
        if found.accuracy is not None and found.accuracy < 0.5:
            yield problem(
                f"sign of {name}",
                f"its report.json has a held-out accuracy of {found.accuracy:.2f}, so it looks flipped: the policy would learn what is disliked. "
                "Turn its `sign` round, or train it with chosen and rejected exchanged.",
            )
        elif len(lost) == len(found.beats) and all(share.value < FLIPPED for share in found.beats.values()):
            yield problem(
                f"sign of {name}",
                "it prefers answers to other prompts, silence and one word over and over to real responses "
                f"({_shares(found)}), so it looks flipped. Set `sign: -1`, or another `label`, if higher is worse.",
            )
        elif all(math.isnan(share.value) for share in found.beats.values()):
            yield unmeasured(f"sign of {name}", "no response and other text to the same prompt have both a score.")
        else:
            for kind in lost:
                yield warning(f"sign of {name}", f"it prefers {INSTEAD[kind]} ({_share(found.beats[kind])}).")


def scale(figures: Figures) -> Iterator[Finding]:
    """Standardisation brings scales together, but not what floating point has lost."""
    stds = {name: figures.rewards[name].std for name in figures.objectives if figures.rewards[name].std > 0}
    for name, std in stds.items():
        if std < 1e-6 * abs(figures.rewards[name].mean):
            yield warning(
                f"scale of {name}",
                f"its scores vary by {std:.2g} about {figures.rewards[name].mean:.4g}: 32 bits, in which models give them, cannot hold that. Subtract the constant part.",
            )
    if len(stds) < 2:
        yield unmeasured("scale", "fewer than two objectives have scores that vary, so there are no scales to compare.")
    elif (ratio := max(stds.values()) / min(stds.values())) > UNLIKE:
        large, small = max(stds, key=stds.__getitem__), min(stds, key=stds.__getitem__)
        yield warning(
            "scales",
            f"the scores of {large} vary {ratio:,.0f} times as much as those of {small}. They are standardised, so weights still mean "
            f"what they say; but see that {small} is a logit and not a probability, and that a few outliers do not make {large}'s std.",
        )


def saturation(figures: Figures) -> Iterator[Finding]:
    """Responses that all have the same score teach nothing."""
    for name, found in figures.rewards.items():
        most, end = max((found.at_low, "smallest"), (found.at_high, "largest"))
        if math.isnan(found.std):
            yield unmeasured(f"spread of {name}", "fewer than two responses have a finite score.")
        elif found.std == 0:
            yield problem(
                f"spread of {name}",
                f"every response has the score {found.mean:.4g}: it cannot be standardised and teaches nothing. Check its template and label.",
            )
        elif most > SATURATED:
            yield problem(
                f"spread of {name}",
                f"{most:.0%} of the responses have its {end} score, {found.high if end == 'largest' else found.low:.4g}: hardly any response can be told "
                "from another. Use `output: logit` in place of a probability, or a reward that still sees differences here.",
            )
        elif most > CROWDED:
            yield warning(
                f"spread of {name}",
                f"{most:.0%} of the responses have its {end} score; it tells only the others apart, so it will move slowly.",
            )


def correlation(figures: Figures) -> Iterator[Finding]:
    """Objectives that agree need no trade-off; those that oppose each other leave none."""
    if not figures.correlations:
        yield unmeasured("correlation", "there is one objective alone.")
    for found in figures.correlations:
        r, pair = found.value, f"{found.first} and {found.second}"
        if math.isnan(r.value):
            yield unmeasured(
                pair, "no correlation: one of them is constant, or fewer than four responses have both scores."
            )
        elif r.value > SAME:
            yield warning(
                pair,
                f"correlation {_interval(r)}: they are nearly the same, so weights between them change nothing. Drop one of them.",
            )
        elif r.value < OPPOSED:
            yield warning(
                pair,
                f"correlation {_interval(r)}: what raises one lowers the other, so expect a trade-off with hardly any common gain, and little for a "
                "lenient gate to find. Check that neither is the other with its sign turned.",
            )


def conflict(figures: Figures) -> Iterator[Finding]:
    """What leniency has to work on."""
    if (found := figures.conflict) is None:
        yield unmeasured("conflict", "fewer than two objectives of positive weight have scores that vary.")
    elif found.rate < RARE:
        yield warning(
            "conflict",
            f"only {found.rate:.0%} of the responses are good for one objective and bad for another: every method will do nearly the same here.",
        )


def _interval(value: Interval) -> str:
    return f"{value.value:+.2f} [{value.low:+.2f}, {value.high:+.2f}]"


def _share(share: Interval) -> str:
    return f"the response wins {share.value:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _shares(found: RewardFigures) -> str:
    return ", ".join(f"{share.value:.0%} against {kind}" for kind, share in found.beats.items())


CHECKS: tuple[Check, ...] = (unscorable, sign, scale, saturation, correlation, conflict)
