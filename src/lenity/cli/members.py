"""The commands that list an open set: ``lenity methods``, ``lenity rewards``, ``lenity readers``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from lenity.cli.help import definitions, inline_yaml, plain
from lenity.config.base import Section
from lenity.config.fields import explained, purpose, rows
from lenity.config.members import Member, OpenSet, at_place, member, members

FACTS = {
    "paper": "Paper",
    "equation": "Update",
    "cost": "Cost of a front",
    "pitfalls": "Pitfalls",
}  # where a class has them
LISTED = ("paper", "equation", "cost")


def listing(base: type[Section], place: str) -> click.Command:
    """The command that lists the members of an open set, or shows one in full.

    Args:
        base: the base class of the members.
        place: the path of a field that holds a member, such as ``rewards.NAME``.
    """
    assert base.open_set is not None, "a base class of members names its open set"
    open_set = OpenSet(base.open_set, base, (place,))
    kind = open_set.registry.kind
    text = (
        f"List every {kind}, or show the {kind} NAME with all its fields.\n\n"
        f"In a configuration, `{place}.type` selects the {kind}. Those of plug-ins are listed with the package that they come from."
    )

    @click.command(help=text)
    @click.argument("name", required=False)
    def command(name: str | None) -> None:
        if name:
            click.echo(described(open_set, member(open_set.registry, name.partition(":")[0])), nl=False)
            return
        from rich.console import Console

        console = Console()
        console.print(table(members(open_set.registry), base, place))
        common = ", ".join(row.path for row in rows(base))
        if common:
            console.print(f"Every {kind} also has the fields: {common}.", highlight=False)
        console.print(f"One {kind} with all its fields: lenity {kind}s NAME.", highlight=False)

    return command


def table(shown: Iterable[Member], base: type[Section], place: str) -> Any:
    """A row per member: its name; its purpose, facts, fields and origin."""
    from rich.markup import escape
    from rich.table import Table

    found = Table(f"{place}.type", "purpose, fields, origin", show_lines=True)
    for one in shown:
        names = ", ".join(row.path for row in one.own_rows(base))
        lines = [
            plain(purpose(one.section)),
            *(f"{FACTS[fact]}: {value}" for fact in LISTED if (value := getattr(one.section, fact, ""))),
            *([f"Fields: {names}"] if names else []),
            one.origin,
        ]
        found.add_row(f"[bold]{escape(one.name)}[/bold]", escape("\n".join(lines)))
    return found


def described(open_set: OpenSet, one: Member) -> str:
    """A member in full: what it does, its facts, a line of YAML that selects it, and every field."""
    formatter = click.HelpFormatter(max_width=100)
    place = open_set.places[0]
    formatter.write(f"{one.name} · {one.origin}\n\n{plain(explained(one.section))}\n\n")
    facts = [(f"{label}:", value) for fact, label in FACTS.items() if (value := getattr(one.section, fact, ""))]
    if facts:
        formatter.write_dl(facts)
        formatter.write_paragraph()
    formatter.write(f"{inline_yaml(at_place(place, one.example()))}\n")  # whole, so that it can be pasted
    with formatter.section("Fields, in the file or on the command line"):
        definitions(formatter, rows(one.section), f"{place}.")
    return formatter.getvalue()
