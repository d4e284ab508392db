"""The fields of a configuration as help text, and those of the members of its open sets, without importing torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import click
import yaml
from pydantic import BaseModel

from lenity.config.fields import Row, purpose, rows
from lenity.config.members import Member, OpenSet, members, open_sets

FIRST_COLUMN = 34  # characters; a longer name stands on a line of its own
KEPT = "\N{NO-BREAK SPACE}"  # where a line must not be broken


def write_fields(formatter: click.HelpFormatter, model: type[BaseModel]) -> None:
    """Write every field of ``model``, section by section, then every member of the open sets with its fields."""
    for name, fields in by_section(rows(model)).items():
        with formatter.section(f"Fields of {name}" if name else "Fields, in the file or as --field value"):
            definitions(formatter, fields)
    for open_set in open_sets(model):
        _write_open_set(formatter, open_set)


def by_section(fields: Iterable[Row]) -> dict[str, list[Row]]:
    """Fields by the name of their section; first, under an empty name, those of no section."""
    found: dict[str, list[Row]] = {"": []}
    for row in fields:
        section, dot, _ = row.path.partition(".")
        found.setdefault(section if dot else "", []).append(row)
    return {name: group for name, group in found.items() if group}


def definitions(formatter: click.HelpFormatter, fields: Iterable[Row], prefix: str = "") -> None:
    """Write an option per field with its type, its description and its default."""
    if lines := [(f"--{prefix}{row.path} {row.type}", _meaning(row)) for row in fields]:
        inner = click.HelpFormatter(width=formatter.width)
        inner.current_indent = formatter.current_indent
        inner.write_dl(lines, FIRST_COLUMN)
        formatter.write(inner.getvalue().replace(KEPT, " "))


def _write_open_set(formatter: click.HelpFormatter, open_set: OpenSet) -> None:
    known, place = members(open_set.registry), f"{open_set.places[0]}."
    _introduce(formatter, open_set.registry.kind, open_set.places)
    with formatter.indentation():
        definitions(formatter, rows(open_set.base), place)
    for member in known:
        parent = _parent(member, known)
        with formatter.section(f"{open_set.registry.kind.capitalize()} {member.name}"):
            like = f" Its other fields are those of {parent.name}." if parent else ""
            formatter.write_text(f"{plain(purpose(member.section))}{like}")
            definitions(formatter, member.own_rows(parent.section if parent else open_set.base), place)


def _introduce(formatter: click.HelpFormatter, kind: str, places: Iterable[str]) -> None:
    """Write what holds for every member of an open set."""
    formatter.write_paragraph()
    where = " and ".join(f"--{place}" for place in places)
    formatter.write_text(
        f"The value of {where} is a {kind}, which --{next(iter(places))}.type selects. lenity {kind}s NAME shows one in full."
    )


def _parent(member: Member, known: Iterable[Member]) -> Member | None:
    """The member whose class is the nearest base class of ``member``."""
    by_class = {other.section: other for other in known}
    return next((by_class[base] for base in member.section.__mro__[1:] if base in by_class), None)


def _meaning(row: Row) -> str:
    if row.default == "null" and "default: " in row.description:  # which says what null stands for
        return row.description
    default = "[required]" if row.default == "required" else f"[default:{KEPT}{row.default}]"
    return f"{row.description}  {default}".strip()


def write_names(formatter: click.HelpFormatter, model: type[BaseModel], only: Collection[str] = ()) -> None:
    """Write the names of all fields of ``model``, or of those whose section is in ``only``, and of the members of its open sets."""
    fields = [row for row in rows(model) if not only or row.path.partition(".")[0] in only]
    with formatter.section("Fields, in the file or as --field value (lenity train --help describes them)"):
        sections = by_section(fields).items()
        formatter.write_dl([(name or "no section", _names(group, f"{name}.")) for name, group in sections])
    for open_set in open_sets(model):
        places = [place for place in open_set.places if not only or place.partition(".")[0] in only]
        if places:
            kind = open_set.registry.kind
            _introduce(formatter, kind, places)
            lines = [(one.name, _names(one.own_rows(open_set.base))) for one in members(open_set.registry)]
            with formatter.indentation():
                formatter.write_dl([(f"every {kind}", _names(rows(open_set.base))), *lines])


def _names(fields: Iterable[Row], prefix: str = "") -> str:
    return ", ".join(row.path.removeprefix(prefix) for row in fields)


def plain(markdown: str) -> str:
    """Text for a terminal."""
    return markdown.replace("`", "")


def inline_yaml(data: Any) -> str:
    """A mapping of one field as a line of YAML.

    >>> inline_yaml({"prompts": {"type": "toy"}})
    'prompts: {type: toy}'
    """
    return yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=10_000).strip()[1:-1]
