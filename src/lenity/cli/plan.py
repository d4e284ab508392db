"""``lenity plan``: an estimate of the memory, time and cost of a run on given GPUs."""

from __future__ import annotations

import click

from lenity.cli.help import write_names
from lenity.cli.spelling import takes_fields
from lenity.runs.config import RunConfig


@takes_fields(RunConfig, write_names)
@click.argument("words", metavar="[CONFIG]", nargs=-1, type=click.UNPROCESSED)
@click.option("--model", default=None, help="Policy in place of policy.model: a well-known hub name or a local folder.")
@click.option(
    "--gpus",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of GPUs, with one process per GPU and 8 GPUs per machine.",
)
@click.option("--gpu", default="h100", show_default=True, help="Kind of GPU: a100, h100, h200 or l40s.")
@click.option(
    "--gpu-memory", type=click.FloatRange(min=1), default=None, help="GiB of a GPU's memory that a process can use."
)
@click.option("--price", type=click.FloatRange(min=0), default=None, help="Dollars per GPU and hour.")
@click.option(
    "--mfu",
    type=click.FloatRange(min=0.01, max=1),
    default=0.4,
    show_default=True,
    help="Model FLOPs utilisation: the fraction of a GPU's peak that long forward and backward passes reach.",
)
@click.option(
    "--prompt-tokens",
    type=click.IntRange(min=1),
    default=None,
    help="Tokens per prompt. Default: prompts.max_tokens.",
)
@click.option("--points", type=click.IntRange(min=1), default=11, show_default=True, help="Number of runs of a sweep.")
@click.option(
    "--tensor-parallel",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="GPUs over which an engine such as vLLM splits the policy for generation.",
)
@click.option("--json", "as_json", is_flag=True, help="Print bytes, seconds and dollars as JSON.")
def command(  # noqa: PLR0917 - click passes by name
    words: tuple[str, ...], model: str | None, gpus: int, gpu: str, gpu_memory: float | None, price: float | None, mfu: float,
    prompt_tokens: int | None, points: int, tensor_parallel: int, as_json: bool,
) -> None:  # fmt: skip
    """Estimate memory, time and cost of the run CONFIG under DDP, FSDP2 and ZeRO-2.

    Without CONFIG, the paper's setting is used with the policy --model. No model is loaded. Memory is derived from the
    architecture; time and cost rest on assumptions, which are printed. Every field of the run can be overridden as --section.field value.

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
        raise ConfigError(
            "neither CONFIG nor --model is given.", "Give the file of a run, or --model NAME for the paper's setting."
        )
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
