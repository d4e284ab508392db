"""The tree of exceptions: drawn as it is, and every error says what is wrong and what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lenity import errors

SOURCE = Path(errors.__file__).parent
KINDS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
LISTS = {
    "config/load.py",
    "config/base.py",
}  # several problems of one file or section, each with its remedy in its own line


def name_of(node):
    return getattr(node, "id", getattr(node, "attr", ""))


def nodes(kind):
    """Every node of this kind in the package, with its file."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield path.relative_to(SOURCE).as_posix(), node


def text(node):
    """What a string is, with X for each value put into it; None where a name or a call gives it."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


def is_told_in_two_sentences(call):
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return True
    if len(call.args) < 2:
        return False
    what, remedy = (text(argument) for argument in call.args[:2])
    return (what is None or what[-1:] in {".", "?", "X"}) and (
        remedy is None or bool(re.match(r"[A-Z`].*[.?X]$", remedy))
    )


def test_the_tree_is_drawn_as_it_is():
    drawn, path = {}, []
    for bars, name in re.findall(r"^    ([ │├└─]*)(\w+Error)", errors.__doc__, re.MULTILINE):
        path[len(bars) // 4 :] = [name]
        drawn[name] = path[-2] if len(path) > 1 else "Exception"
    assert drawn == {name: kind.__base__.__name__ for name, kind in KINDS.items()}


def test_the_tree_has_no_branch_in_another_file():
    outside = {file for file, node in nodes(ast.ClassDef) if any(name_of(base) in KINDS for base in node.bases)}
    assert outside == {"errors.py"}


def test_every_error_says_what_is_wrong_and_what_to_do():
    calls = [(file, call) for file, call in nodes(ast.Call) if name_of(call.func) in KINDS]
    untold = {file: call.lineno for file, call in calls if not is_told_in_two_sentences(call)}
    assert len(calls) > 100
    assert {file: line for file, line in untold.items() if file not in LISTS} == {}


@pytest.mark.parametrize("kind", KINDS.values())
def test_both_sentences_are_kept(kind):
    error = kind("a is 3.", "Set it to 2.")
    assert (error.what, error.remedy, str(error)) == ("a is 3.", "Set it to 2.", "a is 3. Set it to 2.")
    assert str(kind("a is 3.")) == "a is 3."
