"""``lenity evaluate``: score a run, or all runs of a sweep, on held-out prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lenity.cli.spelling import takes_fields
from lenity.config.run import RunConfig

if TYPE_CHECKING:
    from lenity.evaluation.protocol import Protocol


@takes_fields(RunConfig)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    "file",
    type=click.Path(path_type=Path),
    default=None,
    help="A protocol.yaml: decode, standardise and take the reference point as it says; other prompts and rewards are refused.",
)
@click.pass_context
def command(context: click.Context, folder: Path, file: Path | None) -> None:
    """Score the run or sweep FOLDER on held-out prompts, before and after alignment.

    Writes evaluation.parquet, a row a prompt, policy and reward, and protocol.yaml, what makes it comparable with others.
    Fields of `evaluation`, `held_out_prompts` and `held_out_rewards` are overridden, and kept in the runs' config.yaml; with
    them or --protocol, all runs are measured anew where that changes something, and the sweep's protocol.yaml is replaced.
    Interrupted, the same command goes on where it was. Several processes share the work: accelerate launch --module lenity evaluate FOLDER.

    Example: lenity evaluate runs/mine --evaluation.temperature 0 --held_out_rewards.other '{kind: gpt2-large-helpful}'
    """
    from rich.console import Console

    from lenity import launch
    from lenity.evaluation import protocol
    from lenity.evaluation.folder import evaluate_all, runs_in
    from lenity.evaluation.score import evaluate
    from lenity.evaluation.table import table
    from lenity.suggest import command as shell
    from lenity.terminal import quiet

    quiet()
    given, runs = protocol.load(file) if file else None, runs_in(folder)
    change = partial(_changed, arguments=context.args, given=given)
    expected = {str(file): given} if given else {}
    if len(runs) == 1 and runs[0].path == folder:
        frame = evaluate(runs[0], change(runs[0].config), expected=expected, progress=True)
        if launch.leads():
            Console().print(table(frame, str(folder)))
        return
    shared = evaluate_all(folder, expected if given or context.args else None, change)
    if launch.leads():
        click.echo(
            f"{len(runs)} runs on {shared.prompts.count} prompts: {folder / 'evaluation.parquet'}, {folder / protocol.FILE}. "
            f"Next: {shell('report', folder)}"
        )


def _changed(config: RunConfig, arguments: list[str], given: Protocol | None) -> RunConfig:
    """``config`` with the way of evaluation that ``given`` says, then with ``arguments``."""
    from lenity.config.load import override, parse
    from lenity.errors import ConfigError
    from lenity.run_folder import EVALUATED

    before = config.dump()
    taken = {"evaluation": before["evaluation"] | given.evaluation()} if given else {}
    data = override(before | taken, arguments)
    if other := [name for name in data if data[name] != before.get(name) and name not in EVALUATED]:
        raise ConfigError(
            f"--{other[0]} cannot be changed after training.",
            f"Leave it out; `lenity evaluate` takes fields of {', '.join(EVALUATED)}.",
        )
    return parse(RunConfig, data, source="the command line")
