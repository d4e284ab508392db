"""Checks of the measurements of policy, tokenizers, prompts, responses and cost."""

from __future__ import annotations

from collections.abc import Iterator

from lenity.doctor.measurements import Check, Finding, Measurements, problem, unmeasured, warning

UNKNOWN, FEW_UNKNOWN = 0.1, 0.01
FAITHFUL = 0.9  # share of texts that survive encoding and decoding
SHREDDED = 4.0  # tokens per word
DROPPED, CUT, EMPTY = 0.2, 0.3, 0.2
HELD_OUT = "held-out prompts"
WINDOW = 0.05  # share of texts longer than a reward model reads


def policy(measured: Measurements) -> Iterator[Finding]:
    """A finding where the policy cannot batch prompts of mixed lengths, which is slow. Wrong log-probs are refused at loading."""
    if (batching := measured.policy.batching) != "mixed":
        how = "one by one" if batching == "single" else "in batches of prompts of equal length"
        yield warning(
            "policy",
            f"its responses depend on padding or on the other prompts of a batch, so responses are generated {how}, which is slower. For speed, choose another model.",
        )


def tokenizers(measured: Measurements) -> Iterator[Finding]:
    """Findings on tokenizers that lose part of the texts or split words into many tokens."""
    for name, stats in measured.tokenizers.items():
        about = f"tokenizer of {name}"
        if stats.unknown > FEW_UNKNOWN:
            level = problem if stats.unknown > UNKNOWN else warning
            yield level(
                about,
                f"{stats.unknown:.0%} of the tokens are unknown to it, so this model does not see those words. Use a model of this language, or one "
                "with a byte-level tokenizer.",
            )
        elif stats.round_trip < FAITHFUL:
            yield warning(
                about,
                f"only {stats.round_trip:.0%} of the texts are the same after encoding and decoding: this model loses part of the text. Check that model and "
                "tokenizer belong together.",
            )
        if stats.per_word > SHREDDED:
            yield warning(
                about,
                f"{stats.per_word:.1f} tokens per word: it was trained on other texts. rollout.max_new_tokens is then few words, and the model may know little of them.",
            )


def windows(measured: Measurements) -> Iterator[Finding]:
    """Findings on texts longer than a model's context window."""
    window, longest = measured.tokenizers["policy"].window, measured.prompts.lengths["longest"]
    if window is not None and (needed := longest + measured.responses.max_new_tokens) > window:
        yield problem(
            "window of policy",
            f"the longest prompt and rollout.max_new_tokens take {needed} tokens, but the policy's context window is {window}; tokens beyond it are noise "
            f"or an error. Set prompts.max_tokens to {max(window - measured.responses.max_new_tokens, 1)} or less.",
        )
    for name, stats in measured.tokenizers.items():
        if name != "policy" and stats.beyond > WINDOW:
            yield warning(
                f"window of {name}",
                f"{stats.beyond:.0%} of the texts are longer than the {stats.window} tokens that it reads; their beginnings are truncated. Lower prompts.max_tokens.",
            )


def prompts(measured: Measurements) -> Iterator[Finding]:
    """A finding where many rows of the prompts are left out."""
    stats = measured.prompts
    lost = {why: rows for why, rows in stats.dropped.items() if why not in {"beyond the limit", "repeated"}}
    share = sum(lost.values()) / max(stats.read, 1)
    if share > DROPPED:
        reasons = "; ".join(f"{rows:,} {why}" for why, rows in lost.items())
        yield warning(
            "prompts",
            f"{share:.0%} of {stats.read:,} rows are left out ({reasons}), so the training prompts may differ from the data. Lower "
            "prompts.min_tokens, raise prompts.max_tokens, or clean the data.",
        )


def held_out(measured: Measurements) -> Iterator[Finding]:
    """Findings on held-out prompts that are training prompts too, or cannot be compared with them."""
    stats = measured.held_out
    if stats is None:
        return
    if stats.unread:
        yield warning(HELD_OUT, f"they cannot be compared with the training prompts: {stats.unread[0]}")
    if stats.trained_on:
        level = problem if stats.trained_on == stats.prompts else warning
        yield level(
            HELD_OUT,
            f"{stats.trained_on:,} of {stats.prompts:,} are among the training prompts; `lenity evaluate` leaves them out. Name prompts that "
            "training does not use.",
        )


def responses(measured: Measurements) -> Iterator[Finding]:
    """Findings on truncated and empty responses."""
    stats = measured.responses
    if stats.cut > CUT:
        yield warning(
            "responses",
            f"{stats.cut:.0%} are truncated at rollout.max_new_tokens ({stats.max_new_tokens}), so rewards score unfinished responses. Raise it, add a stop "
            "string, or fine-tune the policy on texts that end with EOS.",
        )
    if stats.empty > EMPTY:
        yield warning(
            "responses",
            f"{stats.empty:.0%} are empty. Check the format of the prompts, or set rollout.min_new_tokens.",
        )


def cost(measured: Measurements) -> Iterator[Finding]:
    """A finding where the run may not fit into memory."""
    if (stats := measured.cost) is None:
        yield unmeasured(
            "cost",
            "no iteration was timed: with this many responses without a finite score (see tolerance.unscored) the run would end.",
        )
    elif stats.memory > stats.available:
        yield warning(
            "memory",
            f"each process needs about {stats.memory / 2**30:.1f} GiB without the rewards, and {stats.available / 2**30:.1f} GiB are available; the estimate "
            "is within a factor of about two. Lower ppo.mini_batch_size (and raise ppo.accumulation), or rollout.max_new_tokens.",
        )


CHECKS: tuple[Check, ...] = (policy, tokenizers, windows, prompts, held_out, responses, cost)
