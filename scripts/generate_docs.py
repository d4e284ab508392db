"""Write what is generated: the README's rooms, docs/files.md, docs/configuration.md and docs/methods.md. ``--check`` only compares."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from cogapp import Cog
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
NOTE = "<!-- Written by `make docs`; do not edit. -->\n"


def rooms() -> str:
    """One line per folder of src/lenity, in the order in which they may import each other: its name and the first sentence of its docstring."""
    from test_rooms import ROOMS

    folders = [room for room in ROOMS if (ROOT / "src" / "lenity" / room).is_dir()]
    texts = [
        ast.get_docstring(ast.parse((ROOT / "src/lenity" / room / "__init__.py").read_text("utf-8")))
        for room in folders
    ]
    lines = [f"{room + '/':<14} {(text or '').splitlines()[0]}" for room, text in zip(folders, texts, strict=True)]
    return "```text\n" + "\n".join(lines) + "\n```"


def tree() -> str:
    """One line per file of src/lenity: its path and the first sentence of its docstring."""
    lines = []
    for path in sorted((ROOT / "src" / "lenity").rglob("*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if text:
            name = path.relative_to(ROOT / "src").as_posix().replace("/__init__.py", "/")
            lines.append(f"{name:<42} {text.splitlines()[0]}")
    return f"{NOTE}# Every file in one line\n\n```text\n" + "\n".join(lines) + "\n```\n"


def configuration() -> str:
    """Every field of a run's configuration, section by section, and every member of its open sets with its fields."""
    from lenity.cli.help import by_section
    from lenity.config.fields import purpose, rows
    from lenity.config.members import members, open_sets
    from lenity.runs.config import RunConfig

    sets = {one: [each for each in members(one.registry) if built_in(each)] for one in open_sets(RunConfig)}
    parts = [NOTE, "# Configuration of a run\n", INTRODUCTION]
    for name, fields in by_section(rows(RunConfig)).items():
        if name:
            parts.append(f"\n## `{name}`\n\n{purpose(section_of(RunConfig, name))}\n")
        parts.append(table(fields, f"{name}." if name else ""))
    for one, known in sets.items():
        kind = one.registry.kind
        places = " and ".join(f"`{place}`" for place in one.places)
        parts.append(
            f"\n## {kind.capitalize()}s\n\n`type` selects the {kind} in {places}. "
            f"`lenity {kind}s` lists these and those of plug-ins.\n"
        )
        parts.append(f"Every {kind} has these fields:\n\n{table(rows(one.base))}")
        parts += [member_section(each, one) for each in known]
    parts += [command_section(command, model) for command, model in other_commands().items()]
    return "\n".join(parts)


def other_commands() -> dict[str, type[BaseModel]]:
    """The configurations of commands that read another file than that of a run."""
    from lenity.config.stages import RewardTrainingConfig, SFTConfig
    from lenity.judge.config import JudgeConfig
    from lenity.sweep.config import SweepConfig

    return {"sweep": SweepConfig, "sft": SFTConfig, "reward": RewardTrainingConfig, "judge": JudgeConfig}


def command_section(command: str, model: type[BaseModel]) -> str:
    """The fields of one command's configuration; those of a run in it are above."""
    from lenity.config.fields import purpose, rows

    fields = [each for each in rows(model) if not each.path.startswith("run.")]
    return f"\n## Configuration of `lenity {command}`\n\n{purpose(model)}\n\n{table(fields)}"


INTRODUCTION = """A run is one YAML file, which `lenity train`, `sweep`, `doctor`, `plan` and `evaluate` read. Every field below is set in the file, or on the command line as `--section.field value`:

```sh
lenity train mine.yaml --ppo.epochs 2 --method.gate net --rewards.helpful.batch_size 64
```

`null` means that the field is not set, `required` that it must be set wherever its section is. `NAME` in a path stands for a name of your choice, such as that of an objective. `lenity train --help` shows the same fields on a terminal.
"""


def member_section(member: Any, one: Any) -> str:
    """One member: its purpose, a line of YAML that selects it, and its fields."""
    from lenity.cli.help import inline_yaml
    from lenity.config.fields import purpose
    from lenity.config.members import at_place

    line = inline_yaml(at_place(one.places[0], member.example()))
    own = member.own_rows(one.base)
    fields = table(own) if own else f"No fields beside those of every {one.registry.kind}.\n"
    return f"\n### {one.registry.kind.capitalize()} `{member.name}`\n\n{purpose(member.section)}\n\n```yaml\n{line}\n```\n\n{fields}"


def built_in(member: Any) -> bool:
    """Whether a member is Lenity's own: what is installed beside it does not change the pages."""
    return str(member.section.__module__).startswith("lenity.")


def section_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The section that the field ``name`` holds."""
    from lenity.config.fields import section_in

    section = section_in(model.model_fields[name].annotation)[1]
    assert section is not None
    return section


def methods() -> str:
    """Every registered method, with its source, its fields and its presets."""
    from lenity.config.fields import explained, rows
    from lenity.methods import METHODS

    parts = [
        NOTE,
        "# Methods\n",
        "`method: {type: plc}` selects a method, and `lenity methods` lists these and those of plug-ins. [CONTRIBUTING.md](../CONTRIBUTING.md) shows how to add one.\n",
    ]
    parts += [row("name", "paper", "update", "cost of a front"), row(*["---"] * 4)]
    parts += [row(f"[`{name}`](#{name})", m.paper, m.equation, m.cost) for name in METHODS for m in [METHODS[name]]]
    for name in METHODS:
        method = METHODS[name]
        where = "src/" + method.__module__.replace(".", "/") + ".py"
        parts.append(
            f"\n## `{name}`\n\n{explained(method)}\n\nPaper: {method.paper}. Cost of a front: {method.cost}. File: `{where}`\n"
        )
        if method.pitfalls:
            parts.append(f"Pitfalls: {method.pitfalls}.\n")
        if method.model_fields:
            parts.append(table(rows(method)))
        for preset, fields in method.presets.items():
            text = yaml.safe_dump(dict(fields), sort_keys=False, default_flow_style=None, width=120)
            parts.append(f"\n`preset: {preset}`\n\n```yaml\n{text}```\n")
    return "\n".join(parts)


def table(fields: Iterable[Any], prefix: str = "") -> str:
    """Fields as a Markdown table, their paths without ``prefix``."""
    lines = [row("field", "type", "default", "description"), row(*["---"] * 4)]
    for each in fields:
        default = each.default if each.default == "required" else f"`{each.default}`"
        lines.append(row(f"`{each.path.removeprefix(prefix)}`", f"`{each.type}`", default, each.description))
    return "\n".join(lines) + "\n"


def row(*cells: str) -> str:
    """A row of a Markdown table; bars within cells are escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def main() -> int:
    """Regenerate, or with ``--check`` return 1 where something is out of date."""
    os.chdir(ROOT)
    check = "--check" in sys.argv[1:]
    stale = []
    pages = {"docs/configuration.md": configuration(), "docs/methods.md": methods(), "docs/files.md": tree()}
    for path, text in pages.items():
        file = ROOT / path
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            stale.append(path)
            if not check:
                file.write_text(text, encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        code = Cog().main(["cog", "--check" if check else "-r", "-I", str(ROOT / "scripts"), "README.md"])
    if code:
        stale.append("README.md")
    if check and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
