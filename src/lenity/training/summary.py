"""The summary that a run shows before it starts, and the values beside its progress bar."""

from __future__ import annotations

from typing import Any

from lenity.console.progress import duration
from lenity.runs.config import RunConfig
from lenity.training.setup import Trainer, World


def show(config: RunConfig, world: World, trainer: Trainer, done: int) -> None:
    """Show model, trained parameters, method, objectives and weights, estimated time and memory; all processes measure, the first shows."""
    from rich.console import Console
    from rich.table import Table

    from lenity.training.cost import estimate

    cost = estimate(config, world, trainer)
    if not trainer.processes.first:
        return
    parameters = list(trainer.actor_critic.parameters())
    total = sum(p.numel() for p in parameters)
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    left = config.iterations - done
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "model": f"{config.policy.model} · {total:,} parameters, {trained:,} trained (adapter{' and critic' if config.estimator.needs_critic else ''})",
        "device": f"{trainer.processes.device.type} × {trainer.processes.count} · {str(world.policy.dtype).removeprefix('torch.')}",
        "method": " ".join(f"{key} {value}" for key, value in config.dump()["method"].items() if value is not None),
        "estimator": " ".join(f"{key} {value}" for key, value in config.dump()["estimator"].items()),
        "objectives": " · ".join(f"{name} {config.weights[name]:.4g}" for name in config.objectives.names),
        "prompts": str(world.report),
        "work": f"{left} iterations of {config.rollout.batch_size} responses of at most {config.rollout.max_new_tokens} tokens"
        + (f", {done} done before" if done else ""),
        "estimate": f"about {duration(cost.seconds * left)} ({cost.seconds:.1f} s per iteration), {cost.memory / 2**30:.2f} GiB per process without rewards",
        "output": config.output,
    }  # fmt: skip
    for name, text in rows.items():
        table.add_row(f"[bold]{name}[/bold]", text)
    Console().print(table, highlight=False)


def headline(row: dict[str, Any]) -> str:
    """The values shown beside the progress bar: standardised rewards and KL.

    >>> headline({"standardised": {"helpful": 0.5}, "kl": 1.25})
    'helpful +0.50 · KL 1.2'
    """
    return " · ".join([f"{name} {value:+.2f}" for name, value in row["standardised"].items()] + [f"KL {row['kl']:.1f}"])
