"""``lenity init``: a commented configuration to start from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import click

NEXT = {
    "toy": ("train",),
    "hh": ("train",),
    "chat": ("train",),
    "sweep": ("sweep", "--output", "runs/toy/sweep"),
    "sft": ("sft",),
    "reward": ("reward",),
}  # configurations in the order of the list: the command that reads each, and its options
WORLD = "runs/toy/world"  # in configurations of the toy world


@click.command()
@click.argument("name", required=False)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="File to write; it must not exist. Default: NAME.yaml.",
)
def command(name: str | None, output: Path | None) -> None:
    """Write the commented configuration NAME, or list the names.

    With a configuration of the toy world, its models are copied to runs/toy/world, so that it runs without a network.

    Example: lenity init toy && lenity train toy.yaml
    """
    from lenity.config.suggest import command as shell

    if name is None:
        _list()
        return
    text = template(name)
    file = output or Path(f"{name}.yaml")
    _check_free(file)
    if WORLD in text:
        from lenity.console.terminal import quiet
        from lenity.toy.world import copy_world

        quiet()
        copy_world(Path(WORLD))
    _write(file, text)
    verb, *options = NEXT[name]
    click.echo(f"{file}: {summary(text)}\nNext: {shell(verb, file, *options)}")


def template(name: str) -> str:
    """The text of the configuration ``name``.

    Raises:
        ConfigError: there is no configuration of that name.
    """
    from lenity.config.suggest import did_you_mean
    from lenity.errors import ConfigError

    if name not in NEXT:
        hint = did_you_mean(name, NEXT)
        raise ConfigError(f"unknown configuration '{name}'.", f"{hint} Known: {', '.join(NEXT)}.".strip())
    return (files("lenity") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")


def summary(text: str) -> str:
    r"""The first line of a configuration, which says what it is for.

    >>> summary("# A run.\nseed: 0")
    'A run.'
    """
    return text.splitlines()[0].removeprefix("# ")


def _list() -> None:
    width = max(map(len, NEXT))
    for name in NEXT:
        click.echo(f"{name:<{width}}  {summary(template(name))}")
    click.echo("lenity init NAME writes one of them to NAME.yaml, or to --output FILE.")


def _check_free(file: Path) -> None:
    from lenity.errors import ConfigError

    if file.is_dir():
        raise ConfigError(f"'{file}' is a folder.", f"Name a file in it: --output {file / 'run.yaml'}.")
    if file.exists() or file.is_symlink():
        raise ConfigError(f"'{file}' exists already; nothing was written.", "Name another file with --output.")


def _write(file: Path, text: str) -> None:
    from lenity.errors import ConfigError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise ConfigError(
            f"'{file}' cannot be written: {error.strerror}.", "Name another file with --output."
        ) from error
