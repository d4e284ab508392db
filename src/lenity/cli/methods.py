"""``lenity methods``: every registered method, its arithmetic and its file."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """List the methods that `--method.name` takes, with their settings, source and file."""
    import sys
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from lenity.aggregation import RULES

    table = Table(show_lines=True)
    for heading in ("name and file", "what it does and costs", "settings"):
        table.add_column(heading, no_wrap=heading != "what it does and costs")
    for name in RULES:
        rule = RULES[name]
        what = (rule.__doc__ or "").split("\n\n")[0].replace("\n    ", " ").strip()
        settings = "\n".join(f"{field} {info.default}" for field, info in rule.model_fields.items())
        file = Path(str(sys.modules[rule.__module__].__file__))
        table.add_row(
            f"[bold]{name}[/bold]\n{file.parent.name}/{file.name}",
            f"{what}\nCost: {rule.cost}.".replace("[", r"\["),
            settings,
        )
    Console().print(table)
