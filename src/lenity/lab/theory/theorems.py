"""All claims in one list, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lenity.lab.theory import bias, definitions, limit, recovery
from lenity.lab.theory.check import Check, write
from lenity.lab.theory.picture import draw

COUNT = 42  # checks in all


def theorems(seed: int = 0) -> Iterator[Check]:
    """Measure everything, a check after another."""
    for part in (recovery, bias, limit, definitions):
        yield from part.checks(seed=seed)


def gathered(checks: Iterable[Check]) -> list[Check]:
    """Those of one claim together, in the order in which claims came up."""
    by_claim: dict[str, list[Check]] = {}
    for check in checks:
        by_claim.setdefault(check.claim, []).append(check)
    return [check for group in by_claim.values() for check in group]


def save(checks: list[Check], folder: Path) -> list[Path]:
    """``theorems.json``, ``theorems.md`` and the picture; their paths."""
    return [*write(checks, folder), *draw(checks, folder)]
