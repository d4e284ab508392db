"""``lenity judge``: a language model grades the responses of evaluated runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lenity.cli.spelling import takes_fields
from lenity.config.suggest import command as shell
from lenity.errors import StoppedError
from lenity.judge.config import JudgeConfig

if TYPE_CHECKING:
    from lenity.judge.run import Judged


@takes_fields(JudgeConfig)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the number of requests and an estimate of their cost, and stop.")
@click.pass_context
def command(context: click.Context, folder: Path, dry_run: bool) -> None:
    """Grade the responses of the evaluated run or sweep FOLDER with a language model, from 0 to 10 for each objective.

    The model is at any OpenAI-compatible endpoint. Its answers are kept in FOLDER/judge.sqlite, so that no answer is paid for
    twice, and the same command goes on after an interruption. `lenity report` reads the scores from FOLDER/judge.parquet;
    FOLDER/judge.json says how they were made. The API key is read from an environment variable and is never written.

    Example: lenity judge runs/all --endpoint http://127.0.0.1:8000/v1 --model my-judge --repeats 3
    """
    from lenity.config.load import override, parse
    from lenity.judge.endpoint import names_in, refuse_secret_names
    from lenity.judge.run import judge

    refuse_secret_names(argument[2:].partition("=")[0] for argument in context.args if argument.startswith("--"))
    given = override({}, context.args)
    refuse_secret_names(names_in(given))
    config = parse(JudgeConfig, given, source="the command line")
    try:
        judged = judge(folder, config, click.echo, dry_run=dry_run, progress=True)
    except KeyboardInterrupt:
        again = shell(*sys.argv[1:])
        raise StoppedError("interrupted; every answer so far is kept.", f"Go on with: {again}", exit_code=130) from None
    if judged and judged.failure:
        raise judged.failure
    if judged:
        _show(judged, folder)


def _show(judged: Judged, folder: Path) -> None:
    from rich.console import Console

    from lenity.judge.results import table
    from lenity.judge.run import SUMMARY, TABLE

    found = judged.summary
    console = Console()
    console.print(table(judged.runs, judged.scores, f"Mean scores by {found['model']}, 0 to 10", console.width))
    rate = found["parse_failure_rate"]
    answers = found["calls"] + found["from_cache"]
    click.echo(
        f"{answers:,} answers, {found['from_cache']:,} of them from before; {found['parse_failures']:,} were no integer from 0 to 10"
        + (f" ({rate['value']:.1%} [{rate['low']:.1%}, {rate['high']:.1%}])" if answers else "")
        + (f", {found['truncated']:,} of them cut by the limit of tokens" if found["truncated"] else "")
        + f"; {found['missing_scores']:,} of {found['questions']:,} scores are missing."
    )
    for reason, count in found["without_answer"].items():
        click.echo(f"{count:,} questions got no answer ({reason}); the same command asks them again.")
    if len(found["answered_by"]) > 1:
        click.echo(
            f"Answers came from {found['answered_by']}; if these are different models, remove judge.sqlite and judge anew."
        )
    click.echo(f"{folder / TABLE}, {folder / SUMMARY}. Next: {shell('report', folder)}")
