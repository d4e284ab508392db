"""What the doctor measures; nothing here judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lenity.pareto.confidence import Interval


@dataclass(frozen=True)
class PolicyFigures:
    """The policy on a few short rows.

    Args:
        gap: largest difference of the log-probs that training takes from those of the model's own logits, nats.
        batching: prompts that it answers together as it answers each alone: of any lengths (mixed), of equal lengths, or single.
    """

    gap: float
    batching: str


@dataclass(frozen=True)
class RewardFigures:
    """One reward on the reference policy's responses.

    Args:
        mean: raw score.
        std: of the raw scores.
        low: smallest raw score.
        high: largest raw score.
        at_low: share of responses within 1 % of the range of ``low``.
        at_high: the same of ``high``.
        unscorable: why a response has no finite score, by row.
        beats: how often a response scores higher than another text to the same prompt (ties count one half), by the text's kind:
            shuffled, empty, repeated.
        broken: why a text of such a kind has no finite score.
        accuracy: held-out, from the model's own ``report.json``, turned by the reward's sign; None where it has none.
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
        """Whether training goes on: at most a share ``tolerated`` of ``count`` responses has no score, and never all of them."""
        return len(self.unscorable) <= tolerated * count and len(self.unscorable) < max(count, 1)


@dataclass(frozen=True)
class TokenizerFigures:
    """One tokenizer on prompts with their responses.

    Args:
        unknown: share of tokens.
        round_trip: share of texts that decode to what was encoded, but for case and spaces.
        per_word: tokens a word.
        window: longest text in tokens; None where there is no limit.
        beyond: share of texts longer than that.
    """

    unknown: float
    round_trip: float
    per_word: float
    window: int | None
    beyond: float


@dataclass(frozen=True)
class PromptFigures:
    """Training prompts: rows by why they were dropped, and lengths in tokens of the policy at some quantiles."""

    read: int
    kept: int
    dropped: Mapping[str, int]
    lengths: Mapping[str, int]
    max_tokens: int


@dataclass(frozen=True)
class HeldOutFigures:
    """Distinct held-out prompts, how many of them training uses too, rows that repeat another, and why training data cannot be read."""

    prompts: int
    trained_on: int
    repeated: int
    unread: tuple[str, ...]


@dataclass(frozen=True)
class ResponseFigures:
    """The reference policy's responses; ``cut`` is the share that neither ended nor met a stop string."""

    count: int
    tokens: float
    max_new_tokens: int
    cut: float
    empty: float


@dataclass(frozen=True)
class Correlation:
    """Pearson's, of two objectives' raw scores; NaN where one is constant."""

    first: str
    second: str
    value: Interval


@dataclass(frozen=True)
class ConflictFigures:
    """Of standardised scores at the run's weights.

    Args:
        rate: share of responses on which one objective of positive weight is above its mean and another below.
        masked: share of the scores below their mean of which PLC's gate would forgive a part (M < 1).
        mask: mean M over those scores.
        gate: the run's own, or ``net``.
    """

    rate: float
    masked: float
    mask: float
    gate: str


@dataclass(frozen=True)
class CostFigures:
    """Estimates: seconds of the whole run, bytes a process, and bytes that there are.

    Args:
        dtype: the numbers in which the policy computes.
        bfloat16: how many times faster than in float32 a product of the policy's width is in bfloat16, measured.
    """

    seconds: float
    rows: int
    memory: float
    available: float
    dtype: str = "float32"
    bfloat16: float = 1.0


@dataclass(frozen=True)
class Figures:
    """Everything; ``rewards`` has the held-out ones too, ``objectives`` are those trained on, ``tolerated`` is ``tolerance.unscored``."""

    objectives: tuple[str, ...]
    rewards: Mapping[str, RewardFigures]
    tokenizers: Mapping[str, TokenizerFigures]
    prompts: PromptFigures
    responses: ResponseFigures
    correlations: tuple[Correlation, ...]
    conflict: ConflictFigures | None
    cost: CostFigures | None
    policy: PolicyFigures = PolicyFigures(0.0, "mixed")
    held_out: HeldOutFigures | None = None
    tolerated: float = 0.0
