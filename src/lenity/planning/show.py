"""A plan as a table and notes for the terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from lenity.planning.plan import Plan, Row
from lenity.planning.strategies import GIB, STRATEGIES


def table(plan: Plan) -> Any:
    """A table with one column per strategy: memory by part, then speed and cost."""
    from rich.table import Table

    result = Table(box=None, padding=(0, 2, 0, 0))
    result.add_column("GiB on each GPU")
    for row in plan.rows:
        result.add_column(row.strategy, justify="right")
    for name, cells in [*_memory(plan), *_speed(plan)]:
        result.add_row(name, *cells)
    return result


def notes(plan: Plan) -> list[str]:
    """The changes that make each strategy fit which does not, and the assumptions of the plan."""
    return [*(f"{row.strategy}: {text}" for row in plan.rows if (text := _advice(plan, row))), *_assumptions(plan)]


def _memory(plan: Plan) -> list[tuple[str, list[str]]]:
    rows = plan.rows
    resident = [(part, [row.memory.resident[part] for row in rows]) for part in rows[0].memory.resident]
    lines = [(part, sizes) for part, sizes in resident if any(sizes)]
    for stage in rows[0].memory.stages:
        parts = dict.fromkeys(part for row in rows for part in row.memory.stages[stage])
        lines += [(f"{stage}: {part}", [row.memory.stages[stage].get(part, 0.0) for row in rows]) for part in parts]
    lines.append(("contexts, fragments", [row.memory.lost for row in rows]))
    shown = [(name, [_gib(size) for size in sizes]) for name, sizes in lines]
    peaks = [f"{_gib(row.memory.peak)} ({row.memory.fullest})" for row in rows]
    return [
        *shown,
        ("[bold]peak[/bold]", peaks),
        (f"fits into {plan.gpu.memory:g}", ["[green]yes[/green]" if row.fits else "[red]no[/red]" for row in rows]),
        ("largest ppo.mini_batch_size", [str(row.mini_batch or "none") for row in rows]),
    ]


def _speed(plan: Plan) -> list[tuple[str, list[str]]]:
    job = plan.job
    written, updated = job.batch * job.response, job.batch * job.epochs * (job.prompt + job.response)
    lines: dict[str, Callable[[Row], str]] = {
        "seconds per iteration": lambda row: f"{row.seconds.total:.1f}",
        "  generate + score + update": lambda row: " + ".join(f"{part:.1f}" for part in astuple(row.seconds)),
        "tokens/s generated": lambda row: f"{written / row.seconds.generate:,.0f}",
        "tokens/s updated on": lambda row: f"{updated / row.seconds.update:,.0f}",
        f"run of {job.iterations} iterations": lambda row: _time(row.hours),
        "cost of the run": lambda row: f"${row.cost:,.0f}",
        f"sweep of {plan.points} such runs": lambda row: _time(row.hours * plan.points),
        "cost of the sweep": lambda row: f"${row.cost * plan.points:,.0f}",
    }
    return [(name, [cell(row) if row.mini_batch else "–" for row in plan.rows]) for name, cell in lines.items()]


def _advice(plan: Plan, row: Row) -> str:
    if row.fits:
        return ""
    ways = []
    if row.mini_batch:
        ways.append(f"--ppo.mini_batch_size {row.mini_batch}{_twice(plan, row.mini_batch)}")
    if row.recomputed > row.mini_batch:
        smaller = row.recomputed < min(plan.job.mini, plan.job.share)
        size = f" --ppo.mini_batch_size {row.recomputed}{_twice(plan, row.recomputed)}" if smaller else ""
        ways.append(f"--policy.gradient_checkpointing true{size}")
    if ways:
        return f"fits with {', or with '.join(ways)}."
    if row.splits:
        return (
            f"the policy is too large to generate by itself; it fits with --tensor-parallel {row.splits} (an engine such as vLLM)"
            " and a small enough mini-batch or --policy.gradient_checkpointing true."
        )
    return "no mini-batch fits; take more or larger GPUs, or another strategy."


def _twice(plan: Plan, mini_batch: int) -> str:
    """The option for the gradient accumulation that keeps the number of responses per optimizer step."""
    return f" --ppo.accumulation {-(-plan.job.step // mini_batch)} (the same number of responses per optimizer step)"


def _assumptions(plan: Plan) -> list[str]:
    job, gpu, assumed = plan.job, plan.gpu, plan.assumed
    return [
        f"Strategies: {'; '.join(STRATEGIES[row.strategy] for row in plan.rows)}. Trained weights are not sharded.",
        (
            f"Lengths: every prompt {job.prompt} and every response {job.response} tokens, so memory and time are upper bounds; "
            "no padding, and no response ends early."
        ),
        (
            f"GPU: {gpu.memory:g} GiB, {gpu.flops / 1e12:,.0f} TFLOP/s, {gpu.bandwidth / 1e12:g} TB/s, ${gpu.price:g} per hour; "
            f"long passes reach {assumed.mfu:.0%} of the FLOP/s, and {assumed.reach:.0%} of bandwidths are reached."
        ),
        (
            f"Decoding takes at least {1000 * assumed.layer_seconds:g} ms per layer and token"
            + (
                f" ({1000 * assumed.engine_layer_seconds:g} in the engine, which frees its memory while the policy trains)."
                if plan.tensor_parallel > 1
                else "."
            )
            + f" Contexts and communication: {assumed.overhead:g} GiB; fragmentation: {assumed.fragments:.0%}."
        ),
        (
            "Activations, logits and cache are derived from the architecture and checked against measured peaks of small models on a CPU; "
            "figures for GPUs are not measured."
        ),
    ]


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}" if size >= GIB / 20 else f"{size / GIB:.2f}" if size else "–"


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
