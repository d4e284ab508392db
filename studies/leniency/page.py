"""docs/results/leniency.md: a hand-written text, ``leniency.md`` beside this file, whose {tables} are measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from lenity.report import tables as report_tables
from studies.leniency import pictures, tables, toy, toy_pictures
from studies.leniency.chosen import Reached
from studies.leniency.part import load
from studies.leniency.settings import settings

TEMPLATE = Path(__file__).with_name("leniency.md")
PICTURES = 2
Advance = Callable[[str], None]
MISSING = "*Not measured yet: `make study`.*"


def steps() -> int:
    """How often :func:`write_page` advances."""
    return len(toy.CONDITIONS) + PICTURES + len(_worlds({})) + len(_toy({}))


def write_page(worlds: Path, sweeps: Path, file: Path, advance: Advance = lambda name: None) -> list[Path]:
    """Write ``file`` and its figures beside it, from what is measured so far.

    Args:
        worlds: folder of ``python -m studies.leniency worlds``.
        sweeps: folder with a sweep folder a condition, see :data:`studies.leniency.toy.CONDITIONS`.
        file: the page.
        advance: called with the name of each of :func:`steps`.

    Returns:
        All that was written.
    """
    chosen = settings()
    reached: Reached = {path.stem: load(path, chosen) for path in sorted(worlds.glob("*_k*.json"))}
    conditions = toy.read(sweeps, advance)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = [file]
    if reached:
        written += pictures.draw(reached, chosen, file.with_suffix(""))
        written.append(tables.write_csv(reached, chosen, file.with_name(f"{file.stem}_worlds.csv")))
    advance("figures of the worlds")
    written += toy_pictures.draw(conditions, file.with_suffix(""))
    advance("figures of the toy world")
    pieces = {**_worlds(reached), **_toy(conditions)}
    file.write_text(fill(TEMPLATE.read_text(encoding="utf-8"), pieces, advance), encoding="utf-8")
    return written


def fill(text: str, pieces: Mapping[str, Callable[[], str] | None], advance: Advance = lambda name: None) -> str:
    r"""``text`` with each ``{name}`` on a line of its own replaced; None says that it is not measured yet.

    >>> fill("a\n{b}\n{c}", {"b": lambda: "1", "c": None})
    'a\n1\n*Not measured yet: `make study`.*'
    """

    def piece(match: re.Match[str]) -> str:
        make = pieces[match[1]]
        made = MISSING if make is None else make()
        advance(match[1])
        return made

    return re.sub(r"^\{(\w+)\}$", piece, text, flags=re.MULTILINE)


def _worlds(reached: Reached) -> dict[str, Callable[[], str] | None]:
    chosen = settings()
    made: dict[str, Callable[[], str]] = {
        "count": lambda: (
            f"{sum(len(found['linear']) for found in reached.values()):,} worlds in {len(reached)} parts, {len(chosen)} settings in each."
        ),
        "confirmed": lambda: tables.confirmed(reached, chosen),
        "temperatures": lambda: tables.temperatures(reached, chosen),
        "temperatures_falling": lambda: tables.temperatures(reached, chosen, "linear to 0.6"),
        "schedules_sharp": lambda: tables.falling(reached, chosen, 0.1),
        "schedules_paper": lambda: tables.falling(reached, chosen, 0.5),
        "standardised": lambda: tables.standardised(reached, chosen),
        "pictures": lambda: "![escapes and harms](leniency_rates.svg)\n\n![by temperature](leniency_temperatures.svg)",
        "families": lambda: tables.by_part(reached, chosen),
    }
    return {name: make if reached else None for name, make in made.items()}


def _toy(found: Mapping[str, toy.Condition]) -> dict[str, Callable[[], str] | None]:
    normalised = [name for name in found if not name.startswith("noise_")]
    noisy = [name for name in found if name == toy.CLEAN or name.startswith("noise_")]
    clean = toy.CLEAN in found
    return {
        "toy_note": (lambda: report_tables.note(found[toy.CLEAN].comparison)) if clean else None,
        "toy_picture": (lambda: "![by temperature and noise](leniency_toy.svg)") if clean else None,
        "toy_settings": (lambda: toy.table(found[toy.CLEAN])) if clean else None,
        "toy_normalise": (lambda: toy.conditions(found, normalised)) if clean and len(normalised) > 1 else None,
        "toy_noise": (lambda: toy.conditions(found, noisy)) if clean and len(noisy) > 1 else None,
        "toy_lost": (lambda: toy.lost(found, noisy)) if clean and len(noisy) > 1 else None,
    }
