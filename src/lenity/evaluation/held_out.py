"""The held-out prompts of an evaluation, and a record of the rows left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lenity.data.conversation import Prompt
from lenity.errors import ConfigError, DataError
from lenity.evaluation.measurement import Measurement
from lenity.evaluation.trained import Trained


@dataclass(frozen=True)
class HeldOut:
    """How many held-out rows are used, and why the others are not.

    Args:
        source: name of the data set.
        read: number of rows read.
        kept: number of prompts used.
        dropped: number of rows left out, by reason.
        trained_on: number of prompts left out because they are training prompts.
        unread: why training prompts cannot be read; ``trained_on`` may then be too small.
    """

    source: str
    read: int
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)
    trained_on: int = 0
    unread: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, data: Mapping[str, Any] | None) -> Self | None:
        """The inverse of :meth:`dump`; None for None."""
        return cls(**data) if data else None

    def dump(self) -> dict[str, Any]:
        """The record as plain data."""
        return asdict(self)


def held_out_prompts(
    measurement: Measurement, tokenizer: Any, rewards: Mapping[str, Any], trained: Trained
) -> tuple[list[Prompt], HeldOut]:
    """The evaluation prompts: distinct, no training prompts, within the length limits, ``evaluation.limit`` of them evenly spaced.

    Raises:
        ConfigError: ``held_out_prompts`` is not set.
        DataError: no prompt is left.
        RewardError: a reward takes a column that they do not have.
    """
    from lenity.data.loading import evenly_spaced
    from lenity.data.prompts import TRAINED_ON, load_prompts, room_for_prompts, token_counters
    from lenity.rewards.asking import check_columns

    if measurement.prompts is None:
        raise ConfigError(
            "held_out_prompts is not set, so there is nothing to evaluate on.",
            "Set it to prompts that training does not use.",
        )
    room = room_for_prompts(tokenizer, measurement.decoding["max_new_tokens"])
    unread: list[str] = []

    def trained_on(prompts: Any) -> set[str]:
        known, reasons = trained.among(prompts)
        unread.extend(reasons)
        return known

    prompts, report = load_prompts(
        measurement.prompts, token_counters(tokenizer, rewards), room, trained_on, measurement.template
    )
    check_columns(rewards, prompts, f"held_out_prompts ({report.source})")
    kept = evenly_spaced(prompts, measurement.limit)
    report.drop("beyond evaluation.limit", len(prompts) - len(kept))
    left_out = report.dropped.get(TRAINED_ON, 0)
    return kept, HeldOut(report.source, report.read, len(kept), dict(report.dropped), left_out, unread)


def with_columns(texts: Sequence[str], measurement: Measurement, rewards: Mapping[str, Any]) -> list[Prompt]:
    """The evaluation prompts of these texts; the data set is read again only where a reward reads more of its rows.

    Raises:
        DataError: a prompt is no longer in the data set.
        RewardError: a reward takes a column that they do not have.
    """
    from lenity.data.human_assistant import as_prompt
    from lenity.data.prompts import find_prompts
    from lenity.rewards.asking import check_columns

    if not any(reward.signature.takes_rows for reward in rewards.values()):
        return [as_prompt(text) for text in texts]
    prompts = find_prompts(texts, measurement.prompts, measurement.template)
    check_columns(rewards, prompts, "held_out_prompts")
    return prompts


def known_left_out(held_out: HeldOut | None) -> int | None:
    """How many prompts are left out because they are training prompts; None where that is unknown."""
    return None if held_out is None or held_out.unread else held_out.trained_on


def refuse_trained_on(held_out: HeldOut | None) -> None:
    """Raise ``DataError`` where held-out prompts are training prompts, or where that is unknown."""
    if held_out is None or held_out.unread:
        why = held_out.unread[0] if held_out else "the evaluation was written before this check existed."
        raise DataError(
            f"held_out_prompts cannot be compared with the training prompts: {why}",
            "Restore the training prompts, or leave out --strict.",
        )
    if held_out.trained_on:
        raise DataError(
            f"{held_out.trained_on:,} of the prompts of held_out_prompts ({held_out.source}) are among the training prompts.",
            "Remove them there, or leave out --strict: the evaluation then skips and counts them.",
        )
