"""Hostile inputs by the hundred thousand, against what reads files and answers; the table of docs/results/fuzz.md.

The inputs are those of tests/fuzz, of which `make test` runs a small share. Any exception that is not ours is a finding, and so
is a broken law, such as a change to a checkpoint that its manifest does not notice.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from lenity.console.progress import track

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fuzz.targets import TARGETS, Target, foreign, fuzz

BATCH = 5000  # Hypothesis remembers all that it gave, so that memory grows within a batch


def campaign(name: str, target: Target, inputs: int) -> Counter[str]:
    """Outcomes and how often each came."""
    found: Counter[str] = Counter()
    with track(name, inputs, unit="inputs") as advance:

        def tell(outcome: str, given: Any) -> None:
            if given is not None and outcome not in found:
                print(f"{name}: {outcome}\n  {given!r:.2000}", file=sys.stderr)
            found[outcome] += 1
            advance()

        number = 0
        while found.total() < inputs:
            fuzz(target, min(BATCH, inputs - found.total()), number, tell)
            number += 1
    return found


def row(name: str, found: Counter[str]) -> str:
    """Of the Markdown table."""
    wrong = foreign(found)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted((found - wrong).items(), key=lambda item: item[0]))
    return f"| {name} | {found.total():,} | {kinds} | {', '.join(f'{kind} {count:,}' for kind, count in wrong.items()) or 'none'} |"


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="Inputs a target.")
@click.option("--target", "names", multiple=True, type=click.Choice(list(TARGETS)), help="Default: all.")
def main(inputs: int, names: tuple[str, ...]) -> None:
    """Fuzz, and print the table; exit with 1 where there is a finding."""
    found = {name: campaign(name, TARGETS[name], inputs) for name in names or TARGETS}
    print("| target | inputs | outcomes: accepted, or our error | findings |\n| --- | ---: | --- | --- |")
    for name, outcomes in found.items():
        print(row(name, outcomes))
    sys.exit(any(map(foreign, found.values())))


if __name__ == "__main__":
    main()
