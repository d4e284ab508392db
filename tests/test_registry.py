"""Open sets: unknown and double names, broken modules, and a rule and a reward from outside packages as CONTRIBUTING shows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
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


def install(folder: Path, group: str) -> None:
    """CONTRIBUTING.md's example of ``group`` as an installed package: its Python block, and the TOML block that names it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for code, toml in re.findall(r"```python\n(.*?)```.*?```toml\n(.*?)```", text, re.DOTALL):
        for name, place in tomllib.loads(toml)["project"]["entry-points"].get(group, {}).items():
            package, module = place.partition(":")[0].split(".")
            (folder / package).mkdir()
            (folder / package / f"{module}.py").write_text(code)
            metadata = folder / f"{package}-1.0.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
            (metadata / "entry_points.txt").write_text(f"[{group}]\n{name} = {place}\n")


def run(folder: Path, code: str) -> str:
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    ).stdout


def test_a_rule_of_an_outside_package(tmp_path):
    install(tmp_path, "lenity.rules")
    code = (
        "import torch\nfrom lenity.aggregation import RULES\n"
        "advantages = torch.tensor([[3.0, 1.0, 1.0], [3.0, -1.0, 1.0], [-3.0, -1.0, 9.0]])\n"
        "for settings in ({}, {'agreement': 0.5}):\n"
        "    print(RULES['unanimous'](**settings).rectify(advantages, torch.tensor([0.75, 0.25, 0.0])).tolist())"
    )
    assert run(tmp_path, code).splitlines() == ["[2.5, 0.0, -2.5]", "[2.5, 2.0, -2.5]"]
    listed = run(tmp_path, "from lenity.cli.main import cli\ncli(['methods', 'unanimous'])")
    assert "unanimous · after the AND-mask" in listed
    documented = run(tmp_path, "import doctest, your_package.unanimous as rule\nprint(doctest.testmod(rule))")
    assert documented.strip() == "TestResults(failed=0, attempted=2)"


def test_a_reward_of_an_outside_package(tmp_path):
    install(tmp_path, "lenity.rewards")
    code = (
        "from lenity.rewards.base import REWARDS\nprint(REWARDS['brevity']().load(None).score(['', ''], ['abc', '']))"
    )
    assert run(tmp_path, code).strip() == "[-3.0, -0.0]"
