"""``lenity push``: publishes a finished run on a model hub, with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lenity.runs.folder import RunFolder


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("repo")
@click.option(
    "--private/--public",
    default=None,
    help="Visibility of a new repository. Default: as the settings of its owner say.",
)
@click.option("--revision", default=None, help="Branch to push to; it is made if it does not exist. Default: main.")
@click.option("--base-model", default=None, help="Hub name of the base model, if training read a local copy of it.")
@click.option(
    "--merge", is_flag=True, help="Push base model and adapter merged into one model, which loads without peft."
)
@click.option(
    "--license", default=None, help="License in the card: an identifier of the hub's list, such as apache-2.0."
)
@click.option("--dry-run", is_flag=True, help="Print the files that would be pushed, and the card. Nothing is sent.")
def command(  # noqa: PLR0917 - click passes by name
    run: Path, repo: str, private: bool | None, revision: str | None, base_model: str | None, merge: bool, license: str | None, dry_run: bool,  # noqa: A002
) -> None:  # fmt: skip
    """Push the finished run RUN to the repository REPO (owner/name) of the Hugging Face hub.

    The repository gets the adapter, the settings without local paths, and a model card with objectives, weights, protocol and,
    after `lenity evaluate`, held-out results. Prompts and responses are not published. The token is that of `hf auth login`, or HF_TOKEN.

    Example: lenity push runs/mine me/llama-lenient --private --dry-run
    """
    from lenity.console.terminal import quiet
    from lenity.runs.folder import RunFolder

    quiet()
    if dry_run:
        _show(RunFolder(run), repo, base_model, merge=merge, license=license)
        return
    from lenity.hub import push_to_hub

    address = push_to_hub(
        run, repo, private=private, revision=revision, base_model=base_model, merge=merge, license=license
    )
    click.echo(address)


def _show(run: RunFolder, repo: str, base: str | None, *, merge: bool, license: str | None) -> None:  # noqa: A002
    """Print the names and sizes of the files, then the card."""
    from lenity.hub.contents import contents, names_for
    from lenity.hub.push import check_name

    check_name(repo)
    with contents(run, names_for(run, repo, base, merge=merge, license=license)) as files:
        for name, content in files.items():
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            click.echo(f"{size:>14,} bytes  {name}")
        click.echo(b"\n" + files["README.md"])
