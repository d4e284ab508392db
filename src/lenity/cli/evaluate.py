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
    help="A protocol.yaml, whose decoding, standardisation and reference point are used. Runs with other prompts or rewards are refused.",
)
@click.option(
    "--checkpoint",
    default=None,
    metavar="newest|N",
    help="Evaluate the policy of a run's newest checkpoint, or of its checkpoint at iteration N. The run need not be finished.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse held-out prompts that were trained on. Without this option they are left out and counted.",
)
@click.option("--logging.progress", "shown", type=bool, default=True, show_default=True, help="Show progress.")
@click.option(
    "--logging.every_seconds",
    "every",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Seconds between two lines of progress in a log file. Default: logging.every_seconds of the run.",
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

    The folder gets evaluation.parquet, with one row per prompt, policy and reward, and protocol.yaml, which says how they were
    measured. Results of equal protocols can be compared. After an interruption, the same command goes on. Several processes
    share the work: accelerate launch --module lenity evaluate FOLDER.

    Fields of `evaluation`, `held_out_prompts` and `held_out_rewards`, and method.label, can be overridden; the runs' config.yaml
    keeps the new values. If they or --protocol change how a run is measured, all runs of FOLDER are measured again and
    the protocol.yaml of the sweep is replaced.

    A run that is not finished is evaluated with --checkpoint. The rows name the iteration and are written to the run's folder
    `evaluations`; training is not affected.

    Example: lenity evaluate runs/mine --evaluation.temperature 0 --held_out_rewards.other '{type: gpt2-large-helpful}'
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
        if launch.leads() and which is not None:
            shown_as = frame["method"].iloc[0]
            click.echo(f"This is {shown_as}: {place / 'evaluation.parquet'}. Next: {shell('report', folder)}")
        return
    shared = evaluate_all(folder, expected if given or context.args else None, change, strict=strict, progress=progress)
    if launch.leads():
        _caution(shared)
        files = f"{folder / 'evaluation.parquet'}, {folder / protocol.FILE}"
        click.echo(f"{len(runs)} runs on {shared.prompts.count} prompts: {files}. Next: {shell('report', folder)}")


def _caution(used: Protocol) -> None:
    """Print the warning about prompts that were trained on, if there is one."""
    if used.caution:
        click.echo(used.caution)


def _which(checkpoint: str | None) -> Which | None:
    """``newest``, an iteration, or None.

    Raises:
        ConfigError: ``checkpoint`` is neither.
    """
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
            f"--checkpoint is for one run, and '{folder}' is not the folder of a run: it has no {SETTINGS}.",
            "Give the folder of one run.",
        )
    return RunFolder(folder)


def _changed(config: RunConfig, arguments: list[str], given: Protocol | None) -> RunConfig:
    """``config`` with the evaluation settings of ``given``, then with the overrides in ``arguments``."""
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
