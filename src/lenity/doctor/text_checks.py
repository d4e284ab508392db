"""What the figures of tokenizers, prompts, responses and cost mean for a run."""

from __future__ import annotations

from collections.abc import Iterator

from lenity.doctor.figures import Figures
from lenity.doctor.finding import Check, Finding, problem, unmeasured, warning

UNKNOWN, FEW_UNKNOWN = 0.1, 0.01
FAITHFUL = 0.9  # texts that come back from the tokenizer
SHREDDED = 4.0  # tokens a word
DROPPED, CUT, EMPTY = 0.2, 0.3, 0.2
HELD_OUT = "held-out prompts"
WINDOW = 0.05  # of texts longer than a reward model reads


def policy(figures: Figures) -> Iterator[Finding]:
    """A policy whose log-probs would be wrong is refused when it is loaded; one that needs batches of its own is slow."""
    if (batching := figures.policy.batching) != "mixed":
        how = "one by one" if batching == "single" else "in batches of prompts of equal length"
        yield warning(
            "policy",
            f"it answers a prompt otherwise behind padding or in a batch, so prompts are answered {how}, which is slower. For speed, choose another model.",
        )


def tokenizers(figures: Figures) -> Iterator[Finding]:
    """What a model cannot read, it cannot answer or judge."""
    for name, found in figures.tokenizers.items():
        about = f"tokenizer of {name}"
        if found.unknown > FEW_UNKNOWN:
            level = problem if found.unknown > UNKNOWN else warning
            yield level(
                about,
                f"{found.unknown:.0%} of the tokens are unknown to it: this model does not see those words. Use a model of this language, or one "
                "whose tokenizer knows all bytes.",
            )
        elif found.round_trip < FAITHFUL:
            yield warning(
                about,
                f"only {found.round_trip:.0%} of the texts come back as they went in: part of the text is lost to this model. Check that model and "
                "tokenizer belong together.",
            )
        if found.per_word > SHREDDED:
            yield warning(
                about,
                f"{found.per_word:.1f} tokens a word: it was made for other texts. rollout.max_new_tokens buys few words, and the model may know little.",
            )


def windows(figures: Figures) -> Iterator[Finding]:
    """Texts must fit into the models."""
    window, longest = figures.tokenizers["policy"].window, figures.prompts.lengths["longest"]
    if window is not None and (needed := longest + figures.responses.max_new_tokens) > window:
        yield problem(
            "window of policy",
            f"the longest prompt and rollout.max_new_tokens take {needed} tokens, but the policy was made for {window}; what lies beyond is noise or an "
            f"error. Set prompts.max_tokens to {max(window - figures.responses.max_new_tokens, 1)} or less.",
        )
    for name, found in figures.tokenizers.items():
        if name != "policy" and found.beyond > WINDOW:
            yield warning(
                f"window of {name}",
                f"{found.beyond:.0%} of the texts are longer than the {found.window} tokens that it reads; their beginnings are cut off. Shorten prompts.max_tokens.",
            )


def prompts(figures: Figures) -> Iterator[Finding]:
    """Prompts that are left out change what is learned."""
    found = figures.prompts
    lost = {why: rows for why, rows in found.dropped.items() if why not in {"beyond the limit", "repeated"}}
    share = sum(lost.values()) / max(found.read, 1)
    if share > DROPPED:
        reasons = "; ".join(f"{rows:,} {why}" for why, rows in lost.items())
        yield warning(
            "prompts",
            f"{share:.0%} of {found.read:,} rows are left out ({reasons}), so what is trained on is not what was read. Widen "
            "prompts.min_tokens and prompts.max_tokens, or clean the data.",
        )


def held_out(figures: Figures) -> Iterator[Finding]:
    """What was trained on says nothing of other prompts."""
    found = figures.held_out
    if found is None:
        return
    if found.unread:
        yield warning(HELD_OUT, f"they cannot be compared with the training prompts: {found.unread[0]}")
    if found.trained_on:
        level = problem if found.trained_on == found.prompts else warning
        yield level(
            HELD_OUT,
            f"{found.trained_on:,} of {found.prompts:,} are among the training prompts; `lenity evaluate` leaves them out. Name prompts that "
            "training does not use.",
        )


def responses(figures: Figures) -> Iterator[Finding]:
    """Rewards should see whole responses."""
    found = figures.responses
    if found.cut > CUT:
        yield warning(
            "responses",
            f"{found.cut:.0%} reach rollout.max_new_tokens ({found.max_new_tokens}) without an end: rewards judge their beginnings. Raise it, add a stop "
            "string, or fine-tune the policy on texts that end.",
        )
    if found.empty > EMPTY:
        yield warning(
            "responses",
            f"{found.empty:.0%} are empty. Check the form of the prompts, or set rollout.min_new_tokens.",
        )


def cost(figures: Figures) -> Iterator[Finding]:
    """Whether the run fits."""
    if (found := figures.cost) is None:
        yield unmeasured(
            "cost",
            "more responses without a finite score than tolerance.unscored allows end the run, so no iteration was timed.",
        )
    elif found.memory > found.available:
        yield warning(
            "memory",
            f"about {found.memory / 2**30:.1f} GiB a process are needed, without rewards, and there are {found.available / 2**30:.1f}; true to a factor of "
            "about two. Lower ppo.mini_batch_size (and raise ppo.accumulation), or rollout.max_new_tokens.",
        )


CHECKS: tuple[Check, ...] = (policy, tokenizers, windows, prompts, held_out, responses, cost)
