"""The protocol of an evaluation, which must be equal for results to be compared: prompts, decoding, rewards, constants, reference point."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import Field

from lenity.config.base import Section
from lenity.config.evaluating import Reference
from lenity.config.load import parse, read_yaml
from lenity.errors import ProtocolError
from lenity.evaluation.held_out import HeldOut, known_left_out
from lenity.runs.fingerprint import reward_identity

if TYPE_CHECKING:
    import pandas as pd

    from lenity.evaluation.measurement import Measurement
    from lenity.rewards.standardise import Standardiser

FILE = "protocol.yaml"
Rule = Literal["fixed", "nadir"]
CHOSEN = ("prompts", "decoding", "rewards")  # known before anything is generated
MEASURED = (*CHOSEN, "standardisation", "reference", "reference_front")
MARGIN = 1.0  # distance of the reference point below the reference policy's mean, in standard deviations
FRONT_RULE = "non-dominated points of all methods compared"


class Prompts(Section):
    """Number and hash of the held-out prompts, in order."""

    count: int
    sha256: str


class Protocol(Section):
    """How responses are generated and scored (the first four fields), and how fronts of the scores are measured."""

    version: Literal[1] = 1
    prompts: Prompts
    decoding: dict[str, Any]
    rewards: dict[str, dict[str, Any]] = Field(description="settings of each reward, and the hash of its files")
    standardisation: dict[str, dict[str, float]]
    reference: Reference = Reference()
    reference_front: str = FRONT_RULE
    weights: list[dict[str, float]] = Field([])
    seeds: list[int] = Field([])
    trained_on: int | None = Field(
        None, description="number of held-out prompts left out because they are training prompts; null: unknown"
    )

    def evaluation(self) -> dict[str, Any]:
        """The fields of a run's ``evaluation`` section that give this protocol, for the same prompts and rewards."""
        return {
            **self.decoding,
            "limit": self.prompts.count,
            "standardisation": self.standardisation,
            "reference": self.reference.model_dump(),
        }

    @property
    def caution(self) -> str | None:
        """A sentence on held-out prompts that are training prompts; None where there are none."""
        if self.trained_on is None:
            return (
                "It is unknown whether held-out prompts are training prompts: the training prompts could not be read."
            )
        return (
            f"{self.trained_on:,} of the held-out prompts are among the training prompts; they are left out."
            if self.trained_on
            else None
        )

    def save(self, folder: Path) -> None:
        """Write ``protocol.yaml`` atomically."""
        from lenity.storage.atomic_io import replace_text

        replace_text(folder / FILE, yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def load(file: Path) -> Protocol:
    """The protocol in ``file``, which may be a folder."""
    file = file / FILE if file.is_dir() else file
    return parse(Protocol, read_yaml(file), source=str(file))


def frozen(folder: Path) -> dict[str, Protocol]:
    """The protocol in ``folder``, by the path of its file; empty without one."""
    return {str(folder / FILE): load(folder)} if (folder / FILE).is_file() else {}


def of_prompts(
    measurement: Measurement, standardiser: Standardiser, prompts: Sequence[str], held_out: HeldOut | None = None
) -> Protocol:
    """The protocol of a measurement on ``prompts``, without the constants of rewards standardised on the reference policy's responses."""
    rewards = measurement.all_rewards
    return Protocol(
        prompts=Prompts(count=len(prompts), sha256=hashlib.sha256("\0".join(prompts).encode()).hexdigest()),
        decoding=measurement.decoding,
        rewards={name: reward_identity(spec) for name, spec in rewards.items()},
        standardisation={
            name: {"mean": standardiser.means[name], "std": standardiser.stds[name]}
            for name in rewards
            if name in standardiser.means
        },
        reference=measurement.reference,
        trained_on=known_left_out(held_out),
    )  # fmt: skip


def of_rows(
    measurement: Measurement, standardiser: Standardiser, start: pd.DataFrame, held_out: HeldOut | None = None
) -> Protocol:
    """The protocol of a measurement whose reference policy has the rows ``start``; without a run's weights and seed."""
    own = of_prompts(measurement, standardiser, prompts_of(start), held_out)
    if own.reference.point:
        return own
    means = start.groupby("objective", sort=False)["standardised"].mean()
    point = {str(name): float(mean) - MARGIN for name, mean in means.items()}
    return own.model_copy(update={"reference": own.reference.model_copy(update={"point": point})})


def prompts_of(rows: pd.DataFrame) -> list[str]:
    """The prompts of one policy's rows, in order."""
    prompts: list[str] = rows.drop_duplicates("prompt_id")["prompt"].tolist()
    return prompts


def check_same(first: Protocol, second: Protocol, names: tuple[str, str], fields: Sequence[str] = MEASURED) -> None:
    """Raise where two protocols differ in ``fields``; reference points are compared where both have one.

    Raises:
        ProtocolError: a field differs; it is named with both values.
    """
    both_points = first.reference.point and second.reference.point
    for field in fields:
        if field == "reference" and not both_points:
            continue
        if difference := _difference(getattr(first, field), getattr(second, field), field):
            where, one, two = difference
            raise ProtocolError(
                f"{names[0]} and {names[1]} differ in {where}: {one!r} and {two!r}; their results cannot be compared.",
                "Evaluate both in the same way: lenity evaluate FOLDER --protocol FILE, "
                "with the same held_out_prompts and held_out_rewards.",
            )


def check_all(expected: Mapping[str, Protocol], own: Protocol, name: str, fields: Sequence[str] = MEASURED) -> None:
    """Raise where ``own``, called ``name``, differs from any of ``expected``; see :func:`check_same`."""
    for other, protocol in expected.items():
        check_same(protocol, own, (other, name), fields)


def _difference(first: Any, second: Any, where: str) -> tuple[str, Any, Any] | None:
    """The first field in which two values differ, and its values; floats that agree to 1e-9 are equal."""
    if isinstance(first, Section):
        return _difference(first.model_dump(), second.model_dump(), where)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            if difference := _difference(first.get(key), second.get(key), f"{where}.{key}"):
                return difference
        return None
    if isinstance(first, float) and isinstance(second, float):
        return None if abs(first - second) <= 1e-9 * max(1, abs(first)) else (where, first, second)
    return None if first == second else (where, first, second)
