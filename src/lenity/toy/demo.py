"""The demo: a tiny model in the toy world is aligned with PLC and with linear scalarisation, and evaluated by exact scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.load import parse
from lenity.errors import LenityError
from lenity.pareto import weights
from lenity.runs.config import RunConfig

if TYPE_CHECKING:
    from lenity.pareto.confidence import Interval
    from lenity.report.collect import Run
    from lenity.report.comparison import Comparison
    from lenity.toy.world import World

METHODS = ("plc", "linear")


def points(names: Sequence[str]) -> list[dict[str, float]]:
    """The weights of the demo: the corners, the centre of the first two preferences, and the centre of all."""
    return [*weights.corners(names), weights.centre(names, list(names)[:2]), weights.centre(names)]


def configuration(world: World, output: Path, seed: int, iterations: int) -> RunConfig:
    """The base configuration: learned reward models train the policy; the exact scores only evaluate it."""
    from lenity.toy.language import MAX_WORDS
    from lenity.toy.scores import PREFERENCES

    data: dict[str, Any] = {
        "output": str(output),
        "seed": seed,
        "iterations": iterations,
        "policy": {"model": str(world.policy), "dtype": "float32", "lora": {"r": 16, "alpha": 32, "dropout": 0.0}},
        "prompts": {"type": "toy", "split": "train", "count": 1500},
        "held_out_prompts": {"type": "toy", "split": "test", "count": 255},
        "weights": weights.centre(PREFERENCES),
        "rewards": {name: {"type": "model", "model": str(world.rewards[name])} for name in PREFERENCES},
        "held_out_rewards": {
            f"{name}_exact": {"type": "toy", "preference": name, "measures": name} for name in PREFERENCES
        },
        "rollout": {"batch_size": 128, "max_new_tokens": MAX_WORDS + 1},
        "ppo": {"epochs": 2, "mini_batch_size": 64, "accumulation": 1},
        "kl": {"kind": "fixed", "coefficient": 0.02},
        "optimizer": {"learning_rate": 2e-3, "warmup_steps": 5},
        "evaluation": {"limit": 255, "top_p": 1.0, "batch_size": 255},
        "checkpoint": {"every": max(10, iterations), "keep_last": 1},
    }
    return parse(RunConfig, data, source="the demo")


def demo(output: Path, seed: int = 0, jobs: int = 2, iterations: int = 40) -> Path:
    """The path of the report, after both methods were run at five weights in the toy world and the tables were printed."""
    from rich.console import Console

    from lenity.console.terminal import working
    from lenity.sweep.plan import plan
    from lenity.sweep.run import run_sweep
    from lenity.toy import known_front
    from lenity.toy.scores import PREFERENCES
    from lenity.toy.world import build_world

    console = Console()
    world = build_world(seed)
    configs = plan(configuration(world, output, seed, iterations), METHODS, points(PREFERENCES), output)
    output.mkdir(parents=True, exist_ok=True)
    known_front.write(output, configs)
    outcomes = run_sweep(configs, output, jobs, threads=1)
    if failed := [outcome for outcome in outcomes if outcome.error]:
        raise LenityError(
            f"{len(failed)} of {len(outcomes)} runs failed; the first, {failed[0].run}: {failed[0].error}",
            "The same command runs them again; finished ones are kept.",
        )
    with working("comparing the methods: every figure over 1,000 resamples of the prompts"):
        from lenity.report.evidence import gather
        from lenity.report.page import write_page

        evidence = gather(output)
    print_tables(console, evidence.runs, evidence.main)
    with working("writing the report"):
        file = write_page(evidence, title="Lenity demo: the toy world")
    console.print(f"Report: {file.resolve()}", soft_wrap=True, highlight=False)
    return file


def print_tables(console: Any, runs: Sequence[Run], comparison: Comparison) -> None:
    """Print the exact scores before and after alignment per run, then the hypervolumes."""
    console.print(reward_table(runs))
    console.print(volume_table(comparison))


def reward_table(runs: Sequence[Run]) -> Any:
    """The table with one row per run: the mean after alignment, and its difference from before with a paired interval.

    A difference is green or red if its interval excludes 0.
    """
    from rich.table import Table

    from lenity.evaluation.table import Change, changes

    def cell(change: Change) -> str:
        colour = {"better": "green", "worse": "red"}.get(change.verdict, "default")
        return f"{_short(change.after)}\n[{colour}]{_short(change.difference)}[/{colour}]"

    exact = [[change for change in changes(run.frame) if change.held_out] for run in runs]
    names = [change.objective.removesuffix("_exact") for change in exact[0]]
    table = Table(
        title=f"Mean exact score after alignment and, below, its difference from before,\nwith 95 % intervals. "
        f"{exact[0][0].prompts} held-out prompts, {len({run.seed for run in runs})} seed; weights are of {', '.join(names)}.",
        title_justify="left",
    )
    table.add_column("weights")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row("before", *(_short(change.before) for change in exact[0]), end_section=True)
    for run, run_changes in zip(runs, exact, strict=True):
        weights = ", ".join(f"{run.weights[name]:.2g}".removeprefix("0") or "0" for name in names)
        table.add_row(f"{run.method}\n({weights})", *map(cell, run_changes))
    return table


def _short(interval: Interval) -> str:
    r"""The interval as text with two decimals and without leading zeros, escaped for rich.

    >>> from lenity.pareto.confidence import Interval
    >>> print(_short(Interval(-0.287, -1.5, 0.021)))
    -.29 \[-1.50, .02]
    """
    value, low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{x:.2f}") for x in (interval.value, interval.low, interval.high))
    return rf"{value} \[{low}, {high}]"


def volume_table(comparison: Comparison) -> Any:
    """The table of each method's hypervolume and of their paired difference."""
    from rich.table import Table

    result = Table(
        title="Hypervolume of the exact scores (standardised), above the reference policy's mean − 1",
        caption="One seed: the intervals are over prompts alone. Another seed or processor trains other policies, and may turn "
        "the difference around; `lenity sweep --seeds 0,1,2,3,4` compares methods over seeds.",
        title_justify="left",
        caption_justify="left",
    )
    result.add_column("set")
    result.add_column("hypervolume \\[95 % interval]", justify="right")
    for found in comparison.methods:
        result.add_row(found.method, str(found.metrics["hypervolume"]))
    if comparison.best is not None:
        result.add_row("exact best at the same weights", f"{comparison.best:.3f}")
    for found in comparison.methods:
        if found.over:
            first, second, over = found.method, str(comparison.baseline), found.over["hypervolume"]
            better = f"{first if over.value > 0 else second} is better"
            result.add_row(
                f"{first} − {second}, paired", f"{over} · {better if over.excludes_zero else 'no clear difference'}"
            )
    return result
