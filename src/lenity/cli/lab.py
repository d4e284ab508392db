"""``lenity lab``: what the rules do where gradients are exact."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import click

from lenity.cli.spelling import Group

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])


def _output(name: str) -> Callable[[F], F]:
    return click.option(
        "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/lab") / name, show_default=True,
        help="Folder for the files.",
    )  # fmt: skip


_weights = click.option("--weights", default="0.5,0.5", show_default=True, help="Of the two objectives; they sum to 1.")


@click.group(cls=Group)
def command() -> None:
    """See the paper's claims hold or fail, in worlds with exact gradients.

    No model is loaded and nothing is sampled; the rules are those that train. Each command takes seconds to a minute and
    says where its files are. How to read them, and how to try a rule of your own: docs/lab.md.

    Example: lenity lab figure1 --temperature 0.5
    """


@command.command(short_help="Paths of linear, MGDA and PLC over a valley, drawn.")
@_output("figure1")
@_weights
@click.option("--temperature", type=float, default=0.1, show_default=True, help="Of the gates; the paper's is 0.5.")
@click.option("--steps", type=click.IntRange(min=1), default=2000, show_default=True, help="Of each rule.")
def figure1(output: Path, weights: str, temperature: float, steps: int) -> None:
    """Draw where linear scalarisation, MGDA and PLC go on a landscape with a compromise, a valley and a better front.

    PLC is shown with each gate, its leniency constant and falling to 0. Higher temperatures forgive less sharply, and the
    valley is not crossed.

    Example: lenity lab figure1 --temperature 0.5 --weights 0.6,0.4
    """
    from rich.console import Console

    from lenity.lab import figure1 as lab
    from lenity.lab.figure1_picture import draw
    from lenity.lab.options import read_weights

    point = read_weights(weights, 2)
    found = _followed("following rules", lab.tracks(point, temperature, steps), len(lab.rules(temperature)))
    Console().print(lab.table(found, point))
    _say([lab.write(found, point, temperature, output), *draw(found, point, temperature, output)])


@command.command(short_help="Theorems, lemma and definitions: what was measured.")
@_output("theorems")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random worlds.")
def theorems(output: Path, seed: int) -> None:
    """Measure Theorems 1 and 2, Lemma 2 and Definitions 1-3: claim, condition, what was measured, verdict.

    About a minute. Where the paper leaves a reading open, each is measured.

    Example: lenity lab theorems --seed 1
    """
    from rich.console import Console

    from lenity.lab.theory import theorems as lab
    from lenity.lab.theory.check import table

    checks = lab.gathered(_followed("measuring", lab.theorems(seed), lab.COUNT))
    Console().print(table(checks))
    _say(lab.save(checks, output))


@command.command(short_help="The price of leniency on three actions.")
@_output("bandit")
@_weights
@click.option("--temperature", type=float, default=0.5, show_default=True, help="Of the gates.")
@click.option("--steps", type=click.IntRange(min=1), default=4000, show_default=True, help="Of each rule.")
def bandit(output: Path, weights: str, temperature: float, steps: int) -> None:
    """Show the price of leniency on three actions: two extremes and a compromise that is better than their mixture.

    At equal weights the compromise is the best policy. Leniency that stays prefers the mixture of the extremes, which the
    compromise dominates; leniency that decays, or the net gate, does not.

    Example: lenity lab bandit --temperature 0.1
    """
    from rich.console import Console

    from lenity.lab import facts as lab
    from lenity.lab.options import read_weights

    point = read_weights(weights, 2)
    found = _followed("following rules", lab.facts(point, temperature, steps), len(lab.rules(temperature)))
    Console().print(lab.table(found, point))
    _say(lab.save(found, point, output))


def _followed(title: str, results: Iterable[T], total: int) -> list[T]:
    """All results, a bar showing how many are there."""
    from lenity.console.progress import track

    found = []
    with track(title, total, unit="rules") as advance:
        for result in results:
            found.append(result)
            advance()
    return found


def _say(files: list[Path]) -> None:
    for file in files:
        click.echo(file)
