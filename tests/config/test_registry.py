"""Open sets: unknown and double names, broken modules, and a rule and a reward from outside packages as CONTRIBUTING shows them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lenity.config.registry import Registry
from lenity.errors import ConfigError
from outside import install

ROOT = Path(__file__).resolve().parents[2]


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


RULE = """
from lenity.rules.base import RULES, AdvantageRule

@RULES.register("{name}")
class Mine(AdvantageRule):
    def objective_scale(self, advantages, weights):
        return advantages.abs() ** 0
"""
ABSTRACT = RULE.replace("def objective_scale", "def other")
PLAIN = RULE.replace("(AdvantageRule)", "")


def package(folder: Path, module: str, code: str, group: str, **points: str) -> None:
    """An installed distribution ``<module>-of-others`` with the module ``code`` and these entry points."""
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}_of_others-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-of-others\nVersion: 1.0\n")
    lines = "".join(f"{name} = {place}\n" for name, place in points.items())
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{lines}")


def lenity(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "lenity", *arguments],
        check=False, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


BROKEN = {
    "import no_such_package": "ModuleNotFoundError: No module named 'no_such_package'",
    "1 / 0": "ZeroDivisionError: division by zero",
    "def f(:": "SyntaxError: invalid syntax",
    "x = 1": "AttributeError: module 'theirs' has no attribute 'Mine'",
    RULE.format(name="plc"): "rule 'plc' is registered twice: lenity.rules.plc and theirs",
}


@pytest.mark.parametrize(("code", "why"), BROKEN.items(), ids=list(BROKEN.values()))
def test_a_broken_plug_in_is_named_where_it_is_asked_for_and_harms_nothing_else(tmp_path, code, why):
    package(tmp_path, "theirs", code, "lenity.rules", bad="theirs:Mine")
    found = lenity(tmp_path, "methods", "bad")
    what, remedy = found.stderr.splitlines()
    assert found.returncode == 2
    assert what.startswith(
        "error: plug-in 'bad' of package 'theirs-of-others' (lenity.rules: theirs:Mine) cannot be loaded: " + why
    )
    assert remedy == "remedy: Repair or uninstall package 'theirs-of-others'."
    other = lenity(tmp_path, "methods", "linear")
    assert other.returncode == 0 and other.stderr == "" and "linear" in other.stdout
    listed = lenity(tmp_path, "methods")
    assert listed.returncode == 0 and "linear" in listed.stdout
    assert listed.stderr.count("plug-in 'bad' of package 'theirs-of-others'") == 1
    unknown = lenity(tmp_path, "methods", "lineer")
    assert (
        unknown.returncode == 2
        and "Did you mean 'linear'?" in unknown.stderr
        and "Not loaded: plug-in 'bad'" in unknown.stderr
    )


@pytest.mark.parametrize(
    ("group", "code", "asked", "kind"),
    [
        ("lenity.rewards", "import nope", ["--rewards.helpful", "{type: bad}"], "rewards.helpful"),
        ("lenity.datasets", "import nope", ["--prompts", "{type: bad}"], "prompts"),
        ("lenity.rules", "import nope", ["--method", "bad"], "method"),
    ],
)
def test_every_open_set_names_the_plug_in_in_a_configuration(tmp_path, group, code, asked, kind):
    package(tmp_path, "theirs", code, group, bad="theirs")
    file = ROOT / "configs" / "toy.yaml"
    found = lenity(tmp_path, "plan", str(file), *asked)
    assert found.returncode == 2 and found.stderr.splitlines() == [
        (
            f"error: {file}: {kind}: plug-in 'bad' of package 'theirs-of-others' ({group}: theirs) cannot be loaded: "
            "ModuleNotFoundError: No module named 'nope'."
        ),
        "remedy: Repair or uninstall package 'theirs-of-others'.",
    ]


@pytest.mark.parametrize(
    ("code", "instead"),
    [("x = 1", ""), (RULE.format(name="other"), ", only 'other'"), (RULE.replace("@RULES", "#").format(name="x"), "")],
)
def test_a_plug_in_that_does_not_register_its_name_is_told(tmp_path, code, instead):
    package(tmp_path, "theirs", code, "lenity.rules", promised="theirs")
    found = lenity(tmp_path, "methods", "promised")
    assert found.returncode == 2 and found.stderr.splitlines() == [
        f"error: plug-in 'promised' of package 'theirs-of-others' (lenity.rules: theirs) was loaded and registers no method 'promised'{instead}.",
        "remedy: Let 'theirs' register it under the entry point's name, or name the entry point after what it registers.",
    ]


def test_a_module_may_register_several_names(tmp_path):
    package(
        tmp_path,
        "theirs",
        RULE.format(name="one") + RULE.format(name="two").replace("Mine", "Two"),
        "lenity.rules",
        all="theirs",
    )
    for name in ("one", "two"):
        assert lenity(tmp_path, "methods", name).returncode == 0
    assert "two" in lenity(tmp_path, "methods").stdout


@pytest.mark.parametrize(
    ("code", "why"),
    [(ABSTRACT, "TypeError: Can't instantiate abstract class"), (PLAIN, "Mine is not a Rule.")],
)
def test_a_class_that_is_no_rule_is_named_with_its_package(tmp_path, code, why):
    package(tmp_path, "theirs", code.format(name="mine"), "lenity.rules", mine="theirs:Mine")
    found = lenity(tmp_path, "plan", str(ROOT / "configs" / "toy.yaml"), "--method", "mine")
    assert (
        found.returncode == 2
        and f"method 'mine' of plug-in 'mine' of package 'theirs-of-others' (lenity.rules: theirs:Mine) cannot be made: {why}"
        in found.stderr
    )


def test_a_plug_in_that_fails_at_work_is_named(tmp_path):
    code = RULE.format(name="mine").replace(
        "def objective_scale", "def at(self, progress):\n        return {}['lost']\n    def objective_scale"
    )
    package(tmp_path, "theirs", code, "lenity.rules", mine="theirs:Mine")
    call = "import sys; sys.argv = ['lenity', 'methods', 'mine']\nimport lenity.cli.members as m\nfrom lenity.rules import RULES\n"
    call += "m.described = lambda *a: RULES['mine']().at(0.5)\nfrom lenity.cli.main import main\nmain()"
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    found = subprocess.run(
        [sys.executable, "-c", call], check=False, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert found.returncode == 1
    assert (
        found.stderr.splitlines()[0]
        == "error: plug-in 'mine' of package 'theirs-of-others' (lenity.rules: theirs:Mine) failed: KeyError: 'lost'"
    )


def run(folder: Path, code: str) -> str:
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True
    ).stdout


def test_a_rule_of_an_outside_package(tmp_path):
    install(tmp_path, "lenity.rules")
    code = (
        "import torch\nfrom lenity.rules import RULES\n"
        "advantages = torch.tensor([[3.0, 1.0, 1.0], [3.0, -1.0, 1.0], [-3.0, -1.0, 9.0]])\n"
        "for settings in ({}, {'agreement': 0.5}):\n"
        "    print(RULES['unanimous'](**settings).rectify(advantages, torch.tensor([0.75, 0.25, 0.0])).tolist())"
    )
    assert run(tmp_path, code).splitlines() == ["[2.5, 0.0, -2.5]", "[2.5, 2.0, -2.5]"]
    listed = run(tmp_path, "from lenity.cli.main import cli\ncli(['methods', 'unanimous'])")
    assert "unanimous · plug-in 'unanimous' of package 'your_package'" in listed and "after the AND-mask" in listed
    documented = run(tmp_path, "import doctest, your_package.unanimous as rule\nprint(doctest.testmod(rule))")
    assert documented.strip() == "TestResults(failed=0, attempted=2)"


def test_a_reward_of_an_outside_package(tmp_path):
    install(tmp_path, "lenity.rewards")
    code = (
        "from lenity.rewards.base import REWARDS\nprint(REWARDS['brevity']().load(None).score(['', ''], ['abc', '']))"
    )
    assert run(tmp_path, code).strip() == "[-3.0, -0.0]"


def test_an_estimator_of_an_outside_package(tmp_path):
    install(tmp_path, "lenity.estimators")
    code = (
        "import torch\nfrom lenity.config.sections import PPO\nfrom lenity.estimators import ESTIMATORS\n"
        "rewards = torch.tensor([[[1.0], [2.0]], [[4.0], [9.0]]])\n"
        "valid = torch.tensor([[[True], [True]], [[True], [False]]])\n"
        "found = ESTIMATORS['returns']().estimate(rewards, None, valid, PPO())\n"
        "print(found.advantages.flatten().tolist(), found.returns)"
    )
    assert run(tmp_path, code).strip() == "[3.0, 3.0, 4.0, 0.0] None"
