"""``lenity plan``: memory, time and cost of a run on given accelerators, on paper."""

from __future__ import annotations

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig


@takes_fields(RunConfig, write_names)
@click.argument("words", metavar="[CONFIG]", nargs=-1, type=click.UNPROCESSED)
@click.option("--model", default=None, help="Policy, in place of the file's: a well-known hub name or a local folder.")
@click.option(
    "--gpus", type=click.IntRange(min=1), default=1, show_default=True, help="Processes, one a GPU; 8 a machine."
)
@click.option("--gpu", default="h100", show_default=True, help="a100, h100, h200 or l40s.")
@click.option("--gpu-memory", type=click.FloatRange(min=1), default=None, help="GiB that a process can use of it.")
@click.option("--price", type=click.FloatRange(min=0), default=None, help="Dollars an hour and GPU.")
@click.option(
    "--mfu",
    type=click.FloatRange(min=0.01, max=1),
    default=0.4,
    show_default=True,
    help="Share of the peak that long passes reach.",
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=1),
    default=None,
    help="Tokens of each prompt; default: prompts.max_tokens.",
)
@click.option("--points", type=click.IntRange(min=1), default=11, show_default=True, help="Runs of a sweep.")
@click.option(
    "--tensor-parallel",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="GPUs over which an engine such as vLLM splits the policy to generate.",
)
@click.option("--json", "as_json", is_flag=True, help="Bytes, seconds and dollars as JSON.")
def command(  # noqa: PLR0917 - click passes by name
    words: tuple[str, ...], model: str | None, gpus: int, gpu: str, gpu_memory: float | None, price: float | None, mfu: float,
    prompt_tokens: int | None, points: int, tensor_parallel: int, as_json: bool,
) -> None:  # fmt: skip
    """Estimate what the run of the YAML file CONFIG takes under DDP, FSDP2 and ZeRO-2; without one, the paper's setting.

    Nothing is loaded but configurations. Every field of the run is overridden as --section.field value. Memory is derived from
    the architecture; time rests on assumptions, which are printed.

    Example: lenity plan --model meta-llama/Llama-3.1-70B --gpus 16 --tensor-parallel 4 --policy.gradient_checkpointing true
    """
    import json

    from lenity.config.load import load
    from lenity.errors import ConfigError
    from lenity.planning.accelerators import Assumptions, accelerator
    from lenity.planning.default import default
    from lenity.planning.job import described, job_of
    from lenity.planning.plan import plan
    from lenity.planning.show import notes, table

    config, changes = (words[0], list(words[1:])) if words and not words[0].startswith("--") else (None, list(words))
    if config is None and model is None:
        raise ConfigError("there is nothing to plan.", "Give a run's file, or --model NAME for the paper's setting.")
    if gpus % tensor_parallel:
        raise ConfigError(
            f"--tensor-parallel is {tensor_parallel}, which does not divide --gpus {gpus}.", "Choose a divisor."
        )
    if config and model:
        changes = ["--policy.model", model, *changes]
    run = load(RunConfig, config, changes) if config else default(str(model), changes)
    job = job_of(run, gpus, prompt=prompt_tokens)
    found = plan(
        job, accelerator(gpu, gpu_memory, price), Assumptions(mfu=mfu), points=points, tensor_parallel=tensor_parallel
    )
    if as_json:
        click.echo(json.dumps(found.data(), indent=2))
        return
    from rich.console import Console

    console = Console()
    console.print(f"{described(run)} · {gpus} × {gpu}\n", highlight=False, markup=False, soft_wrap=True)
    console.print(table(found), highlight=False)
    for note in notes(found):
        console.print(f"\n{note}", highlight=False, markup=False)
