"""Misspelt commands, options and fields: refused before a file is read, with the name that was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from pydantic import BaseModel

from lenity.cli.help import write_fields
from lenity.config.suggest import closest, did_you_mean
from lenity.errors import ConfigError


class Group(click.Group):
    """A group whose error for an unknown command names the command that was probably meant."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, as click resolves it.

        Raises:
            ConfigError: there is no such command.
        """
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            hint = did_you_mean(args[0], known)
            raise ConfigError(f"No such command '{args[0]}'.", f"{hint} See {ctx.command_path} --help.".strip())
        return super().resolve_command(ctx, args)


class TakesFields(click.Command):
    """A command with every field of ``model`` as ``--section.field value``, which click leaves in ``Context.args``.

    Args:
        model: the configuration that is overridden.
        write_help: writes the fields of a model at the end of the help text.
    """

    def __init__(
        self,
        *,
        model: type[BaseModel],
        write_help: Callable[[click.HelpFormatter, type[BaseModel]], None],
        **options: Any,
    ) -> None:
        settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        super().__init__(**options | {"context_settings": settings})
        self._model, self._write_help = model, write_help

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the fields of the configuration; plug-ins are loaded only here."""
        self._write_help(formatter, self._model)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments that are left, as click parses them.

        Raises:
            ConfigError: a word is neither an option nor a field.
        """
        options = [name for parameter in self.get_params(ctx) for name in (*parameter.opts, *parameter.secondary_opts)]
        self._check(ctx, args, options)
        return super().parse_args(ctx, args)

    def _check(self, ctx: click.Context, args: Sequence[str], options: Sequence[str]) -> None:
        fields = [f"--{name}" for name in self._model.model_fields]
        for word, after in zip(args, [*args[1:], "--"], strict=False):
            if word == "--":
                return
            name, equals, _ = word.partition("=")
            section, dot, rest = name.partition(".")
            if not word.startswith("--") or name in options or section in fields:
                continue
            near = closest(section, [*fields, *([] if dot else options)])
            alone = not equals and after.startswith("--")
            if near in options or alone:  # else the error of the configuration names the field with its value
                hint = f"Did you mean '{near}{dot}{rest}'? " if near else ""
                raise ConfigError(f"No such option '{name}'.", f"{hint}See {ctx.command_path} --help.")


def takes_fields(
    model: type[BaseModel], write_help: Callable[[click.HelpFormatter, type[BaseModel]], None] = write_fields
) -> Callable[[Callable[..., Any]], click.Command]:
    """The decorator ``click.command`` with the class :class:`TakesFields`."""
    return click.command(cls=TakesFields, model=model, write_help=write_help)
