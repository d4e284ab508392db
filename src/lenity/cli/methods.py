"""``lenity methods``: every registered method with its paper, its arithmetic, its cost and its file."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List what `--method` takes, or describe the method NAME with its settings.

    The cost is that of a whole front: what is trained, and the adapters that are kept.
    """
    from rich.console import Console

    from lenity.rules import RULES

    console = Console()
    if name:
        _describe(console, name.partition(":")[0])
        return
    console.print(_table([(name, RULES[name]) for name in RULES]))
    console.print("Settings and pitfalls of one: lenity methods NAME. Presets: docs/methods.md.", highlight=False)


def _table(rules: list[tuple[str, Any]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_lines=True)
    for heading in ("--method", "paper, update, file", "cost of a front"):
        table.add_column(heading, no_wrap=heading == "--method")
    for name, rule in rules:
        what = escape(f"{rule.paper}\n{rule.equation}\n{_file(rule)}")
        table.add_row(f"[bold]{name}[/bold]", what, rule.cost)
    return table


def _describe(console: Any, name: str) -> None:
    import inspect

    from rich.table import Table

    from lenity.cli.help import flat
    from lenity.rules import RULES

    rule = RULES[name]
    console.print(
        f"[bold]{name}[/bold] · {rule.paper} · {_file(rule)}\nCost of a front: {rule.cost}.\n", highlight=False
    )
    console.print((inspect.getdoc(rule) or "").split("\n\n>>>")[0] + "\n", markup=False, highlight=False)
    if rule.pitfalls:
        console.print(f"Pitfalls: {rule.pitfalls}.\n", markup=False, highlight=False)
    table = Table("--method.", "default", "meaning")
    for field, info in flat(rule):
        table.add_row(field, str(info.default), (info.description or "").replace("[", r"\["))
    console.print(table)


def _file(rule: type) -> str:
    return "/".join(rule.__module__.split(".")[-2:]) + ".py"
