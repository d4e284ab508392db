"""``lenity evaluate``: score a run, or all runs of a sweep, on held-out prompts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.changes import EVALUATED, LABEL, changes
from lenity.runs.config import RunConfig

if TYPE_CHECKING:
    from lenity.evaluation.protocol import Protocol
    from lenity.evaluation.subject import Which
    from lenity.runs.folder import RunFolder


@takes_fields(RunConfig, partial(write_names, only=EVALUATED))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    "file",
    type=click.Path(path_type=Path),
    default=None,
    help="A protocol.yaml: decode, standardise and take the reference point as it says; other prompts and rewards are refused.",
)
@click.option(
    "--checkpoint",
    default=None,
    metavar="newest|N",
    help="Evaluate the policy of one run's newest checkpoint, or of its checkpoint of iteration N; the run need not be finished.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse held-out prompts that were trained on; without it they are left out and counted.",
)
@click.option("--logging.progress", "shown", type=bool, default=True, show_default=True, help="Show how far it is.")
@click.option(
    "--logging.every_seconds",
    "every",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Between two lines of progress in a log file; default: as the runs' configurations say, else 30.",
)
@click.pass_context
def command(
    context: click.Context,
    folder: Path,
    file: Path | None,
    checkpoint: str | None,
    *,
    strict: bool,
    shown: bool,
    every: float | None,
) -> None:
    """Score the run or sweep FOLDER on held-out prompts, before and after alignment.

    Writes evaluation.parquet, a row a prompt, policy and reward, and protocol.yaml, what makes it comparable with others.
    Fields of `evaluation`, `held_out_prompts` and `held_out_rewards`, and method.label, are overridden, and kept in the runs' config.yaml; with
    them or --protocol, all runs are measured anew where that changes something, and the sweep's protocol.yaml is replaced.
    Interrupted, the same command goes on where it was. Several processes share the work: accelerate launch --module lenity evaluate FOLDER.

    An interrupted run is evaluated from a checkpoint: lenity evaluate runs/mine --checkpoint newest. Its rows name the iteration, and are
    kept apart in the run's folder `evaluations`, with the configuration; the run goes on as if nothing had been.

    Example: lenity evaluate runs/mine --evaluation.temperature 0 --held_out_rewards.other '{kind: gpt2-large-helpful}'
    """
    from rich.console import Console

    from lenity.config.sections import Progress
    from lenity.config.suggest import command as shell
    from lenity.console.terminal import quiet
    from lenity.distributed import launch
    from lenity.evaluation import protocol
    from lenity.evaluation.folder import evaluate_all, runs_in
    from lenity.evaluation.places import checkpoint_place
    from lenity.evaluation.score import evaluate
    from lenity.evaluation.table import table

    quiet()
    given, which = protocol.load(file) if file else None, _which(checkpoint)
    runs = runs_in(folder) if which is None else [_one_run(folder)]
    change = partial(_changed, arguments=context.args, given=given)
    expected = {str(file): given} if given else {}
    progress = Progress(progress=shown, every_seconds=every or runs[0].config.logging.every_seconds)
    if len(runs) == 1 and runs[0].path == folder:
        own = change(runs[0].config)
        frame = evaluate(runs[0], own, checkpoint=which, expected=expected, strict=strict, progress=progress)
        place = folder if which is None else checkpoint_place(folder, int(frame["iteration"].iloc[0]))
        if launch.leads():
            Console().print(table(frame, str(place)))
            _caution(protocol.load(place))
            if which is not None:
                click.echo(
                    f"This is {frame['method'].iloc[0]}: {place / 'evaluation.parquet'}. Next: {shell('report', folder)}"
                )
        return
    shared = evaluate_all(folder, expected if given or context.args else None, change, strict=strict, progress=progress)
    if launch.leads():
        _caution(shared)
        click.echo(
            f"{len(runs)} runs on {shared.prompts.count} prompts: {folder / 'evaluation.parquet'}, {folder / protocol.FILE}. "
            f"Next: {shell('report', folder)}"
        )


def _caution(used: Protocol) -> None:
    """Say what to know of prompts that were trained on."""
    if used.caution:
        click.echo(used.caution)


def _which(checkpoint: str | None) -> Which | None:
    """``newest`` or an iteration."""
    from lenity.errors import ConfigError

    if checkpoint is None or checkpoint == "newest":
        return checkpoint  # type: ignore[return-value]
    if not checkpoint.isdecimal():
        raise ConfigError(f"--checkpoint is '{checkpoint}'.", "Give newest, or the iteration of a checkpoint.")
    return int(checkpoint)


def _one_run(folder: Path) -> RunFolder:
    from lenity.errors import CheckpointError
    from lenity.runs.folder import SETTINGS, RunFolder

    if not (folder / SETTINGS).is_file():
        raise CheckpointError(
            f"--checkpoint is of one run, and '{folder}' is no run's folder: it has no {SETTINGS}.",
            "Give the folder of one run.",
        )
    return RunFolder(folder)


def _changed(config: RunConfig, arguments: list[str], given: Protocol | None) -> RunConfig:
    """``config`` with the way of evaluation that ``given`` says, then with ``arguments``."""
    from lenity.config.load import override, parse
    from lenity.errors import ConfigError

    before = config.dump()
    taken = {"evaluation": before["evaluation"] | given.evaluation()} if given else {}
    data = override(before | taken, arguments)
    differing = [field for field in changes(before, data) if field != LABEL]
    if other := [name for field in differing if (name := field.split(".")[0]) not in EVALUATED]:
        raise ConfigError(
            f"--{other[0]} cannot be changed after training.",
            f"Leave it out; `lenity evaluate` takes fields of {', '.join(EVALUATED)}, and {LABEL}.",
        )
    return parse(RunConfig, data, source="the command line")
