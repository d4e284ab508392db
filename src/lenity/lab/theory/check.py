"""Measured claims, and their output as tables and files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

GATES: tuple[Literal["sigmoid", "centered", "net"], ...] = ("sigmoid", "centered", "net")


@dataclass(frozen=True)
class Check:
    """A claim and its measurement.

    Args:
        claim: what is said, and by whom.
        condition: rule and worlds.
        measured: the figures that decide.
        verdict: ``holds``, ``fails``, or a word more.
        figures: all numbers, for the file.
    """

    claim: str
    condition: str
    measured: str
    verdict: str
    figures: dict[str, Any] = field(default_factory=dict)


def table(checks: Sequence[Check]) -> Any:
    """The checks as a table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    result = Table(expand=True)
    for heading, share in (("claim", 3), ("condition", 2), ("measured", 5), ("verdict", 2)):
        result.add_column(heading, ratio=share)
    last = ""
    for check in checks:
        if check.claim != last:
            result.add_section()
        colour = {"holds": "green", "fails": "red"}.get(check.verdict, "yellow")
        claim = check.claim if check.claim != last else ""
        cells = [escape(cell) for cell in (claim, check.condition, check.measured, check.verdict)]
        result.add_row(*cells[:3], f"[{colour}]{cells[3]}[/{colour}]")
        last = check.claim
    return result


def markdown(checks: Sequence[Check]) -> str:
    """The checks as a Markdown table."""
    rows = [["claim", "condition", "measured", "verdict"], ["---"] * 4]
    rows += [[check.claim, check.condition, check.measured, check.verdict] for check in checks]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows) + "\n"


def write(checks: Sequence[Check], folder: Path) -> tuple[Path, Path]:
    """The paths of ``theorems.json`` and ``theorems.md``, after they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "theorems.json", folder / "theorems.md"
    files[0].write_text(json.dumps([asdict(check) for check in checks], indent=1) + "\n", encoding="utf-8")
    files[1].write_text(markdown(checks), encoding="utf-8")
    return files
