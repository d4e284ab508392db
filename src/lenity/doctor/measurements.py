"""What the doctor measures, and the findings that it reports: plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from lenity.pareto.confidence import Interval


@dataclass(frozen=True)
class PolicyStats:
    """The policy on a few short prompts.

    Args:
        gap: largest difference in nats between the log-probs that training computes and those of the model's own logits.
        batching: which prompts get the same response in a batch as alone: any (``mixed``), those of one length (``equal``), or none
            (``single``).
    """

    gap: float
    batching: str


@dataclass(frozen=True)
class RewardStats:
    """One reward on the reference policy's responses.

    Args:
        mean: of the raw scores.
        std: of the raw scores.
        low: smallest raw score.
        high: largest raw score.
        at_low: share of responses within 1 % of the range above ``low``.
        at_high: share of responses within 1 % of the range below ``high``.
        unscorable: why a response has no finite score, by row.
        beats: how often a response scores higher than a worse text to the same prompt (ties count one half), by the kind of text:
            shuffled, empty, repeated.
        broken: why a worse text has no finite score, by kind.
        accuracy: held-out accuracy from the model's ``report.json``, one minus it where the reward's sign is negative; None without one.
    """

    mean: float
    std: float
    low: float
    high: float
    at_low: float
    at_high: float
    unscorable: Mapping[int, str]
    beats: Mapping[str, Interval]
    broken: Mapping[str, str]
    accuracy: float | None

    def within(self, tolerated: float, count: int) -> bool:
        """Whether training would go on: at most the share ``tolerated`` of ``count`` responses has no score, and not all of them."""
        return len(self.unscorable) <= tolerated * count and len(self.unscorable) < max(count, 1)


@dataclass(frozen=True)
class TokenizerStats:
    """One tokenizer on prompts with their responses.

    Args:
        unknown: share of tokens that are the unknown token.
        round_trip: share of texts that decode to the encoded text, apart from case and spaces.
        per_word: tokens per word.
        window: longest text that the model reads, in tokens; None without a limit.
        beyond: share of texts longer than ``window``.
    """

    unknown: float
    round_trip: float
    per_word: float
    window: int | None
    beyond: float


@dataclass(frozen=True)
class PromptStats:
    """Training prompts: the number of dropped rows by reason, and quantiles of the length in tokens of the policy."""

    read: int
    kept: int
    dropped: Mapping[str, int]
    lengths: Mapping[str, int]
    max_tokens: int


@dataclass(frozen=True)
class HeldOutStats:
    """Distinct held-out prompts, how many of them are training prompts too, repeated rows, and why training data cannot be read."""

    prompts: int
    trained_on: int
    repeated: int
    unread: tuple[str, ...]


@dataclass(frozen=True)
class ResponseStats:
    """The reference policy's responses; ``tokens`` is their mean length, ``cut`` the truncated share (no EOS, no stop string)."""

    count: int
    tokens: float
    max_new_tokens: int
    cut: float
    empty: float


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation of two objectives' raw scores; NaN where one is constant."""

    first: str
    second: str
    value: Interval


@dataclass(frozen=True)
class ConflictStats:
    """Conflict between standardised scores at the run's weights.

    Args:
        rate: share of responses with one objective of positive weight above its mean and another below.
        gated: share of the below-mean scores that PLC's gate scales down (M < 1).
        objective_scale: mean M over the below-mean scores.
        gate: PLC's gate of the run, or ``net`` where the run has another method.
    """

    rate: float
    gated: float
    objective_scale: float
    gate: str


@dataclass(frozen=True)
class CostStats:
    """Estimated seconds of the whole run and its ``rows`` iterations, bytes of memory per process, and available bytes.

    Args:
        dtype: data type of the policy's parameters.
        bfloat16: measured speed-up of bfloat16 over float32, for a matrix product of the policy's hidden size.
    """

    seconds: float
    rows: int
    memory: float
    available: float
    dtype: str = "float32"
    bfloat16: float = 1.0


@dataclass(frozen=True)
class Measurements:
    """All measurements; ``rewards`` includes held-out rewards, ``objectives`` are those trained on, ``tolerated`` is ``tolerance.unscored``."""

    objectives: tuple[str, ...]
    rewards: Mapping[str, RewardStats]
    tokenizers: Mapping[str, TokenizerStats]
    prompts: PromptStats
    responses: ResponseStats
    correlations: tuple[Correlation, ...]
    conflict: ConflictStats | None
    cost: CostStats | None
    policy: PolicyStats = PolicyStats(0.0, "mixed")
    held_out: HeldOutStats | None = None
    tolerated: float = 0.0


Level = Literal["ok", "not measured", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of one check: its level, what was checked, and a text that says what will go wrong and what to change."""

    level: Level
    about: str
    text: str


Check = Callable[[Measurements], Iterator[Finding]]


def unmeasured(about: str, why: str) -> Finding:
    """A finding of a check whose measurement is missing."""
    return Finding("not measured", about, why)


def warning(about: str, text: str) -> Finding:
    """A finding with which the run goes on, though perhaps not as intended."""
    return Finding("warning", about, text)


def problem(about: str, text: str) -> Finding:
    """A finding with which the run will fail, or learn something unintended."""
    return Finding("problem", about, text)
