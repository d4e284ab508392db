"""``lenity evaluate``: score a run on its held-out prompts."""

from __future__ import annotations

import click


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("run", type=click.Path())
@click.pass_context
def command(context: click.Context, run: str) -> None:
    """Score the run folder RUN on held-out prompts, before and after alignment.

    Fields of the `evaluation` section are overridden as --evaluation.limit 64.
    """
    from rich.console import Console

    from lenity.config.load import override, parse
    from lenity.config.sections import Evaluation
    from lenity.errors import ConfigError
    from lenity.evaluation.score import evaluate
    from lenity.evaluation.table import table
    from lenity.run_folder import RunFolder
    from lenity.terminal import quiet

    quiet()
    folder = RunFolder(run)
    data = override({"evaluation": folder.config.evaluation.model_dump(mode="json")}, context.args)
    if other := sorted(set(data) - {"evaluation"}):
        raise ConfigError(
            f"--{other[0]} cannot be changed after training; `lenity evaluate` takes fields of 'evaluation' alone."
        )
    frame = evaluate(folder, parse(Evaluation, data["evaluation"]), progress=True)
    Console().print(table(frame, str(run)))
