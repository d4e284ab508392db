"""What makes two results comparable, as one file: prompts, decoding, rewards, constants; and how fronts are measured."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from lenity.config.base import Section
from lenity.config.load import parse, read_yaml
from lenity.config.sections import Reference
from lenity.errors import ProtocolError
from lenity.evaluation.held_out import HeldOut, known_left_out
from lenity.runs.fingerprint import reward_identity

if TYPE_CHECKING:
    import pandas as pd

    from lenity.rewards.standardise import Standardiser
    from lenity.runs.config import RunConfig

FILE = "protocol.yaml"
Rule = Literal["fixed", "nadir"]
CHOSEN = ("prompts", "decoding", "rewards")  # known before anything is generated
MEASURED = (*CHOSEN, "standardisation", "reference", "reference_front")
MARGIN = 1.0  # of the reference point below the reference policy's mean, in standard deviations
FRONT_RULE = "non-dominated points of all methods compared"


class Prompts(Section):
    """The held-out prompts, in order."""

    count: int
    sha256: str


class Protocol(Section):
    """The first four fields say how responses were made and scored, the others how fronts were measured on the scores."""

    version: Literal[1] = 1
    prompts: Prompts
    decoding: dict[str, Any]
    rewards: dict[str, dict[str, Any]] = Field(description="settings of each, and the hash of its files")
    standardisation: dict[str, dict[str, float]]
    reference: Reference = Reference()
    reference_front: str = FRONT_RULE
    weights: list[dict[str, float]] = Field([])
    seeds: list[int] = Field([])
    trained_on: int | None = Field(
        None, description="held-out prompts that are left out for being among the training prompts; null: not known"
    )

    def evaluation(self) -> dict[str, Any]:
        """Fields of a run's ``evaluation`` that measure it in this way, on the same prompts by the same rewards."""
        return {
            **self.decoding,
            "limit": self.prompts.count,
            "standardisation": self.standardisation,
            "reference": self.reference.model_dump(),
        }

    @property
    def caution(self) -> str | None:
        """What to know of prompts that were trained on; None where none was."""
        if self.trained_on is None:
            return "Whether any of the held-out prompts was trained on is not known: the training prompts could not be read."
        return (
            f"{self.trained_on:,} of the held-out prompts are among the training prompts; they are left out."
            if self.trained_on
            else None
        )

    def save(self, folder: Path) -> None:
        """Write ``protocol.yaml``, whole or not at all."""
        from lenity.storage.atomic_io import replace_text

        replace_text(folder / FILE, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def load(file: Path) -> Protocol:
    """The protocol in ``file``, or in the folder ``file``."""
    file = file / FILE if file.is_dir() else file
    return parse(Protocol, read_yaml(file), source=str(file))


def frozen(folder: Path) -> dict[str, Protocol]:
    """The protocol in ``folder`` by its file's name, where there is one."""
    return {str(folder / FILE): load(folder)} if (folder / FILE).is_file() else {}


def of_run(
    config: RunConfig, standardiser: Standardiser, prompts: Sequence[str], held_out: HeldOut | None = None
) -> Protocol:
    """How one run is evaluated on ``prompts``; rewards that are scaled by the reference policy's responses have no constants yet."""
    rewards = {**config.rewards, **config.held_out_rewards}
    return Protocol(
        prompts=Prompts(count=len(prompts), sha256=hashlib.sha256("\0".join(prompts).encode()).hexdigest()),
        decoding=config.evaluation.decoding(config.rollout),
        rewards={name: reward_identity(spec) for name, spec in rewards.items()},
        standardisation={
            name: {"mean": standardiser.means[name], "std": standardiser.stds[name]}
            for name in rewards
            if name in standardiser.means
        },
        reference=config.evaluation.reference,
        weights=[config.weights],
        seeds=[config.seed],
        trained_on=known_left_out(held_out),
    )  # fmt: skip


def of_rows(
    config: RunConfig, standardiser: Standardiser, start: pd.DataFrame, held_out: HeldOut | None = None
) -> Protocol:
    """How one run is evaluated; ``start`` are the reference policy's rows."""
    made = of_run(config, standardiser, prompts_of(start), held_out)
    if made.reference.point:
        return made
    means = start.groupby("objective", sort=False)["standardised"].mean()
    point = {str(name): float(mean) - MARGIN for name, mean in means.items()}
    return made.model_copy(update={"reference": made.reference.model_copy(update={"point": point})})


def prompts_of(rows: pd.DataFrame) -> list[str]:
    """The prompts of one policy's rows, in order."""
    prompts: list[str] = rows.drop_duplicates("prompt_id")["prompt"].tolist()
    return prompts


def check_same(first: Protocol, second: Protocol, names: tuple[str, str], fields: Sequence[str] = MEASURED) -> None:
    """Refuse to compare results that were measured differently; reference points only where both have one.

    Raises:
        ProtocolError: naming the field that differs, with both values.
    """
    pointless = not (first.reference.point and second.reference.point)
    for field in fields:
        if field == "reference" and pointless:
            continue
        if found := _difference(getattr(first, field), getattr(second, field), field):
            where, one, two = found
            raise ProtocolError(
                f"{names[0]} and {names[1]} differ in {where}: {one!r} and {two!r}; their figures cannot be compared.",
                "Evaluate both in the same way: lenity evaluate FOLDER --protocol FILE, "
                "with the same held_out_prompts and held_out_rewards.",
            )


def check_all(expected: Mapping[str, Protocol], made: Protocol, name: str, fields: Sequence[str] = MEASURED) -> None:
    """:func:`check_same` of each of ``expected`` and the one called ``name``."""
    for other, known in expected.items():
        check_same(known, made, (other, name), fields)


def _difference(first: Any, second: Any, where: str) -> tuple[str, Any, Any] | None:
    """The first place where two values differ; constants that agree to 1e-9 are the same."""
    if isinstance(first, Section):
        return _difference(first.model_dump(), second.model_dump(), where)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            if found := _difference(first.get(key), second.get(key), f"{where}.{key}"):
                return found
        return None
    if isinstance(first, float) and isinstance(second, float):
        return None if abs(first - second) <= 1e-9 * max(1, abs(first)) else (where, first, second)
    return None if first == second else (where, first, second)
