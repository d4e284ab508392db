"""``lenity lab``: the rules in worlds with exact gradients."""

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
        help="Output folder.",
    )  # fmt: skip


_weights = click.option(
    "--weights", default="0.5,0.5", show_default=True, help="Weights of the two objectives; they sum to 1."
)


@click.group(cls=Group)
def command() -> None:
    """Test the paper's claims in worlds with exact gradients.

    No model is loaded and nothing is sampled; the rules are the classes that training uses. Each command takes between seconds
    and a minute, and prints the paths of the files that it writes. docs/lab.md explains them, and how to try your own rule.

    Example: lenity lab figure1 --temperature 0.5
    """


@command.command(short_help="Draw the paths of linear, MGDA and PLC over a valley.")
@_output("figure1")
@_weights
@click.option(
    "--temperature", type=float, default=0.1, show_default=True, help="Temperature of the gates; the paper's is 0.5."
)
@click.option("--steps", type=click.IntRange(min=1), default=2000, show_default=True, help="Steps of each rule.")
def figure1(output: Path, weights: str, temperature: float, steps: int) -> None:
    """Draw the paths of linear scalarisation, MGDA and PLC on a landscape with a compromise, a valley and a better front.

    PLC is drawn with each gate, once with constant leniency and once with leniency that falls to 0. At higher temperatures the
    gates forgive less sharply, and PLC does not cross the valley.

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


@command.command(short_help="Measure the theorems, the lemma and the definitions.")
@_output("theorems")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed of the worlds.")
def theorems(output: Path, seed: int) -> None:
    """Measure Theorems 1 and 2, Lemma 2 and Definitions 1-3 of the paper.

    The table has the claim, its condition, the measurement and the verdict. Where the paper can be read in several ways, each
    is measured. This takes about a minute.

    Example: lenity lab theorems --seed 1
    """
    from rich.console import Console

    from lenity.lab.theory import theorems as lab
    from lenity.lab.theory.check import table

    checks = lab.gathered(_followed("measuring", lab.theorems(seed), lab.COUNT))
    Console().print(table(checks))
    _say(lab.save(checks, output))


@command.command(short_help="Measure the cost of leniency on three actions.")
@_output("bandit")
@_weights
@click.option("--temperature", type=float, default=0.5, show_default=True, help="Temperature of the gates.")
@click.option("--steps", type=click.IntRange(min=1), default=4000, show_default=True, help="Steps of each rule.")
def bandit(output: Path, weights: str, temperature: float, steps: int) -> None:
    """Measure the cost of leniency on three actions: two extremes, and a compromise that is better than their mixture.

    At equal weights the compromise is the best policy. With constant leniency, PLC ends at the mixture of the extremes, which
    the compromise dominates; with leniency that falls to 0, or with the gate net, it ends at the compromise.

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
    """All results, with a progress bar while they are computed."""
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
