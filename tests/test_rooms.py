"""The order of rooms: each imports only rooms below it, and no modules import each other in a circle."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "src" / "lenity"
LOOSE = {"__init__", "__main__", "errors"}
ROOMS = (
    "__main__", "__init__", "aggregation", "cli", "testing", "toy", "library", "hub", "report", "sweep", "doctor", "planning",
    "methods", "training", "finetuning", "card", "judge",
    "evaluation", "runs", "integrations", "update", "advantages", "lab", "rules", "estimators", "rollout", "rewards", "pareto", "models", "data",
    "distributed", "console", "storage", "config", "errors",
)  # fmt: skip


@cache
def imports(hints: bool = True) -> dict[str, set[str]]:
    """What each module imports of the package, inside functions too; with or without what only type checkers see."""
    known = {_name(file) for file in ROOT.rglob("*.py")}
    found = defaultdict(set)
    for file in ROOT.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        unseen = {id(part) for node in ast.walk(tree) if _for_checkers(node) for part in node.body}
        for node in ast.walk(tree):
            if id(node) in unseen and not hints:
                continue
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "lenity":
                for name in node.names:
                    longest = f"{node.module}.{name.name}".removeprefix("lenity.")
                    found[_name(file)].add(longest if longest in known else node.module.removeprefix("lenity."))
    return found


def _for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_module_is_loose_at_the_top() -> None:
    assert {file.stem for file in ROOT.glob("*.py")} == LOOSE


def test_every_room_has_its_place_and_says_itself_in_one_sentence() -> None:
    folders = {folder.parent.name for folder in ROOT.glob("*/__init__.py")}
    assert folders == set(ROOMS) - LOOSE
    for folder in folders:
        text = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert text.split("\n")[0].endswith("."), folder


def test_each_room_imports_only_rooms_below() -> None:
    place = {room: i for i, room in enumerate(ROOMS)}
    wrong = defaultdict(list)
    for module, wanted in imports().items():
        for other in wanted - {"lenity"}:
            pair = module.split(".")[0], other.split(".")[0]
            if pair[0] != pair[1] and place[pair[0]] > place[pair[1]]:
                wrong[pair].append(f"{module} -> {other}")
    assert wrong == {}


def test_no_circle_within_a_room() -> None:
    for room in ROOMS:
        inner = {
            module: {other for other in wanted if other.split(".")[0] == room and other != module}
            for module, wanted in imports(hints=False).items()
            if module.split(".")[0] == room
        }
        TopologicalSorter(inner).prepare()  # raises CycleError, which names the circle
