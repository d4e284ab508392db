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

    from lenity.methods import METHODS

    console = Console()
    if name:
        _describe(console, name.partition(":")[0])
        return
    console.print(_table([(name, METHODS[name]) for name in METHODS]))
    console.print("Settings and pitfalls of one: lenity methods NAME. Presets: docs/methods.md.", highlight=False)


def _table(methods: list[tuple[str, Any]]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(show_lines=True)
    for heading in ("--method", "paper, update, file", "cost of a front"):
        table.add_column(heading, no_wrap=heading == "--method")
    for name, method in methods:
        what = escape(f"{method.paper}\n{method.equation}\n{_file(method)}")
        table.add_row(f"[bold]{name}[/bold]", what, method.cost)
    return table


def _describe(console: Any, name: str) -> None:
    import inspect

    from rich.table import Table

    from lenity.cli.help import flat
    from lenity.methods import METHODS

    method = METHODS[name]
    console.print(
        f"[bold]{name}[/bold] · {method.paper} · {_file(method)}\nCost of a front: {method.cost}.\n", highlight=False
    )
    console.print((inspect.getdoc(method) or "").split("\n\n>>>")[0] + "\n", markup=False, highlight=False)
    if method.pitfalls:
        console.print(f"Pitfalls: {method.pitfalls}.\n", markup=False, highlight=False)
    table = Table("--method.", "default", "meaning")
    for field, info in flat(method):
        table.add_row(field, str(info.default), (info.description or "").replace("[", r"\["))
    console.print(table)


def _file(method: type) -> str:
    return "/".join(method.__module__.split(".")[-2:]) + ".py"
