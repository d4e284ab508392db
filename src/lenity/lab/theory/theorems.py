"""The checks of all claims, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lenity.lab.theory import bias, definitions, limit, recovery
from lenity.lab.theory.check import Check, write
from lenity.lab.theory.picture import draw

COUNT = 42  # checks in all


def theorems(seed: int = 0) -> Iterator[Check]:
    """The checks of all claims, measured one after the other."""
    for part in (recovery, bias, limit, definitions):
        yield from part.checks(seed=seed)


def gathered(checks: Iterable[Check]) -> list[Check]:
    """The checks grouped by claim, in the order in which the claims first occur."""
    by_claim: dict[str, list[Check]] = {}
    for check in checks:
        by_claim.setdefault(check.claim, []).append(check)
    return [check for group in by_claim.values() for check in group]


def save(checks: list[Check], folder: Path) -> list[Path]:
    """The paths of ``theorems.json``, ``theorems.md`` and the figure, after they were written."""
    return [*write(checks, folder), *draw(checks, folder)]
