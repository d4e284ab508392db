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
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

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
    """Every field of a run's configuration, section by section."""
    from lenity.cli.help import flat
    from lenity.runs.config import RunConfig

    parts = [NOTE, "# Configuration of a run\n", (RunConfig.__doc__ or "") + "\n"]
    parts.append("Any field is set in the file or on the command line as `--section.field value`.\n")
    sections = [("", RunConfig)]
    sections += [
        (name, field.annotation)
        for name, field in RunConfig.model_fields.items()
        if isinstance(field.annotation, type)
        and issubclass(field.annotation, BaseModel)
        and not _open(field.annotation)
    ]
    for name, model in sections:
        if name:
            parts.append(f"\n## `{name}`\n\n{(model.__doc__ or '').splitlines()[0]}\n")
        parts.append(table(flat(model) if name else model.model_fields.items()))
    return "\n".join(parts)


def methods() -> str:
    """Every registered method, with its source and its fields."""
    from lenity.cli.help import flat
    from lenity.methods import METHODS

    parts = [NOTE, "# Methods\n", "Set with `method: {type: ...}`; a new one is one file (CONTRIBUTING.md).\n"]
    parts += [row("name", "paper", "update", "cost of a front"), row(*["---"] * 4)]
    parts += [row(f"[`{name}`](#{name})", m.paper, m.equation, m.cost) for name in METHODS for m in [METHODS[name]]]
    for name in METHODS:
        method = METHODS[name]
        doc = (method.__doc__ or "").split("\n\n    >>>")[0].strip().replace("\n    ", "\n")
        where = "src/" + method.__module__.replace(".", "/") + ".py"
        parts.append(
            f"\n## `{name}`\n\n{doc}\n\nPaper: {method.paper}. Cost of a front: {method.cost}. File: `{where}`\n"
        )
        if method.pitfalls:
            parts.append(f"Pitfalls: {method.pitfalls}.\n")
        parts.append(table(flat(method)))
        for preset, fields in method.presets.items():
            text = yaml.safe_dump(dict(fields), sort_keys=False, default_flow_style=None, width=120)
            parts.append(f"\n`preset: {preset}`\n\n```yaml\n{text}```\n")
    return "\n".join(parts)


def table(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    """Fields by name as a Markdown table."""
    rows = [row("field", "default", "meaning"), row(*["---"] * 3)]
    rows += [row(f"`{name}`", _default(field.default), field.description or "") for name, field in fields]
    return "\n".join(rows) + "\n"


def row(*cells: str) -> str:
    """A row of a Markdown table; bars within cells are escaped."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _open(annotation: type) -> bool:
    return bool(getattr(annotation, "__abstractmethods__", None))


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "see its section"
    return f"`{value!r}`"


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
