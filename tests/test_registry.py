"""Open sets: unknown and double names, broken modules, and a rule and a reward from outside packages as CONTRIBUTING shows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lenity.errors import ConfigError
from lenity.registry import Registry

ROOT = Path(__file__).resolve().parents[1]


def test_an_unknown_name_is_refused_with_the_known_ones():
    registry: Registry[object] = Registry("colour", "no.such.group", ())
    registry.register("green")(object)
    with pytest.raises(ConfigError, match=r"unknown colour 'gren'. Did you mean 'green'\? Known: green"):
        registry["gren"]


def test_a_name_cannot_be_taken_twice():
    registry: Registry[object] = Registry("colour", "no.such.group", ())
    registry.register("green")(int)
    registry.register("green")(int)
    with pytest.raises(ConfigError, match="registered twice"):
        registry.register("green")(str)


def test_a_module_that_fails_to_import_fails_each_time():
    registry: Registry[object] = Registry("colour", "no.such.group", ("lenity.no_such_module",))
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            registry["green"]


def install(folder: Path, number: int, group: str, member: str) -> None:
    """The ``number``-th Python block of CONTRIBUTING.md as an installed package with an entry point."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    module, name = f"outside_{number}", member.lower().removesuffix("spec")
    (folder / f"{module}.py").write_text(blocks[number])
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:{member}\n")


def run(folder: Path, code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    ).stdout


def test_a_rule_of_an_outside_package(tmp_path):
    install(tmp_path, 0, "lenity.rules", "Worst")
    code = (
        "import torch\nfrom lenity.aggregation import RULES\n"
        "print(RULES['worst']().rectify(torch.tensor([3.0, -1.0]), torch.tensor([0.5, 0.5])).item())"
    )
    assert run(tmp_path, code).strip() == "-0.5"
    listed = run(tmp_path, "from lenity.cli.main import cli\ncli(['methods', 'worst'])")
    assert "worst · where it comes from" in listed


def test_a_reward_of_an_outside_package(tmp_path):
    install(tmp_path, 1, "lenity.rewards", "BrevitySpec")
    code = (
        "from lenity.rewards.base import REWARDS\nprint(REWARDS['brevity']().load(None).score(['', ''], ['abc', '']))"
    )
    assert run(tmp_path, code).strip() == "[-3.0, -0.0]"
