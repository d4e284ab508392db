"""Every field of every section and of every member of an open set is in the help texts, the listings and the documentation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import click
import pytest
import yaml
from click.testing import CliRunner
from pydantic import BaseModel, Field

import tiny
from lenity.cli.help import write_fields
from lenity.cli.main import COMMANDS, cli
from lenity.config.base import Section
from lenity.config.fields import Row, rows, type_of
from lenity.config.load import parse
from lenity.config.members import open_sets
from lenity.config.registry import Registry
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.judge.config import JudgeConfig
from lenity.runs.config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
SETS = {
    "methods": "--method",
    "rewards": "--rewards.NAME",
    "readers": "--prompts",
    "estimators": "--estimator",
    "templates": "--template",
}


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Paths of all fields of ``model``, found from the annotations alone; an open set is not entered."""
    for name, info in model.model_fields.items():
        if name == getattr(model, "flat", None):
            yield from leaves(info.annotation, prefix)
            continue
        text, inner = f"{prefix}{name}", None
        queue: list[Any] = [(info.annotation, "")]
        while queue:
            kind, place = queue.pop()
            if get_origin(kind) in {Union, UnionType, Annotated}:
                queue += [(part, place) for part in get_args(kind)]
            elif get_origin(kind) is dict:
                queue.append((get_args(kind)[1], place + ".NAME"))
            elif isinstance(kind, type) and issubclass(kind, BaseModel) and getattr(kind, "open_set", None) is None:
                inner = kind, place
        if inner is None or inner[0] is not info.annotation:
            yield text
        if inner is not None:
            yield from leaves(inner[0], f"{text}{inner[1]}.")


def registry(command: str) -> Registry[Any]:
    return next(one.registry for one in open_sets(RunConfig) if f"{one.registry.kind}s" == command)


def shown(*arguments: str, columns: int = 80) -> str:
    found = CliRunner().invoke(cli, list(arguments), env={"COLUMNS": str(columns)}, terminal_width=columns)
    assert found.exit_code == 0, found.output
    return found.output


def options(text: str) -> set[str]:
    return set(re.findall(r"^ *--([\w.-]+)", text, re.MULTILINE))


@pytest.mark.parametrize(
    ("command", "model"),
    [("train", RunConfig), ("sft", SFTConfig), ("reward", RewardTrainingConfig), ("judge", JudgeConfig)],
)
def test_help_shows_every_field_of_a_configuration(command, model):
    assert set(leaves(model)) <= options(shown(command, "--help"))


def test_help_shows_every_field_of_every_member():
    text = shown("train", "--help")
    for command, place in SETS.items():
        for name, member in registry(command).items():
            part = text.partition(f"{command[:-1].capitalize()} {name}:")[2].partition("\n\n")[0]
            assert part, name
            parent = re.search(r"other\s+fields\s+are\s+those\s+of\s+([\w-]+)\.", part)
            if parent:
                part += text.partition(f"{command[:-1].capitalize()} {parent[1]}:")[2].partition("\n\n")[0]
            common = {row.path for one in open_sets(RunConfig) for row in rows(one.base)}
            missing = set(leaves(member)) - {option.removeprefix(f"{place[2:]}.") for option in options(part)}
            assert missing <= common, name
    fields = text.partition("\nFields, ")[2].splitlines()
    assert [line for line in fields if len(line) > 80 and len(line.split()) > 1] == []


@pytest.mark.parametrize("command", ["sweep", "doctor", "plan"])
def test_help_of_commands_with_options_of_their_own_names_every_field(command):
    words = set(re.findall(r"[\w.]+", shown(command, "--help")))
    for model in [RunConfig, *(member for name in SETS for _, member in registry(name).items())]:
        for path in leaves(model):
            assert path in words or path.partition(".")[2] in words, path


def test_help_of_evaluate_names_what_it_takes_alone():
    text = shown("evaluate", "--help")
    assert "reference.point" in text and "held_out_rewards.NAME" in text
    assert "vllm.sleep" not in text and "schedule_end" not in text


@pytest.mark.parametrize("command", SETS)
def test_a_listing_names_every_member_with_its_fields(command):
    listed = " ".join(re.sub(r"[│┃\n]", " ", shown(command)).split())
    for name, member in registry(command).items():
        assert f" {name} " in listed
        assert all(path in listed for path in leaves(member)), name
        full = shown(command, name)
        assert options(full) == {f"{SETS[command][2:]}.{path}" for path in leaves(member)}
        for path in leaves(member):
            assert re.search(
                rf"--{re.escape(SETS[command][2:])}\.{re.escape(path)} .*?(default: |\[required)", full, re.DOTALL
            )


def test_every_open_set_has_a_command():
    assert {f"{one.registry.kind}s" for one in open_sets(RunConfig)} == set(SETS) <= set(COMMANDS)


def test_the_yaml_line_of_every_member_is_read():
    config = tiny.run_config("model", "run").dump() | {"weights": {"helpful": 1.0, "harmless": 0.0}, "estimator": None}
    for command in SETS:
        for name, member in registry(command).items():
            line = re.search(r"^\w+: \{.*\}$", shown(command, name), re.MULTILINE)
            changed = yaml.safe_load(line[0])
            key = next(iter(changed))
            value = config["rewards"] | changed["rewards"] if key == "rewards" else changed[key]
            read = getattr(parse(RunConfig, config | {key: value}), key)
            read = read["helpful"] if key == "rewards" else read
            assert type(read) is member


def test_a_new_open_set_is_in_the_help_by_itself():
    shapes: Registry[Any] = Registry("shape", "no.such.group", ())

    class Shape(Section):
        open_set: ClassVar[Registry[Any]] = shapes
        colour: Literal["red", "blue"] = Field("red", description="of its line")

    @shapes.register("square")
    class Square(Shape):
        """Four equal sides."""

        side: float = Field(gt=0, description="length of a side, metres")

    class Drawing(Section):
        shape: Annotated[Shape, "said"]
        others: dict[str, Shape] = Field({}, description="more of them")

    assert [(one.registry, one.places) for one in open_sets(Drawing)] == [(shapes, ("shape", "others.NAME"))]
    formatter = click.HelpFormatter(width=80)
    write_fields(formatter, Drawing)
    text = formatter.getvalue()
    assert "--shape.colour red | blue" in text and "Four equal sides." in text
    assert re.search(r"--shape.side float > 0 +length of a side, metres  \[required\]", text)


def test_rows_have_types_bounds_and_defaults():
    class Inner(Section):
        size: int = 3

    class Outer(Section):
        inner: Inner = Inner(size=4)
        maybe: Inner | None = None
        by_name: dict[str, Inner] = Field({})
        share: float = Field(1.0, ge=0, le=1, description="of all")
        text: str = "a b"
        flag: bool = True

    assert list(rows(Outer)) == [
        Row("inner.size", "int", "4", ""),
        Row("maybe", "section | null", "null", ""),
        Row("maybe.size", "int", "3", ""),
        Row("by_name", "{name: section}", "{}", ""),
        Row("by_name.NAME.size", "int", "3", ""),
        Row("share", "float >= 0 and <= 1", "1", "of all"),
        Row("text", "str", '"a b"', ""),
        Row("flag", "bool", "true", ""),
    ]
    assert type_of(Annotated[int, Field(ge=2)] | list[str] | None) == "int >= 2 | list of str | null"


REWARD = """
from pydantic import Field
from lenity.rewards.base import REWARDS, RewardSpec

@REWARDS.register("brevity")
class Brevity(RewardSpec):
    '''Minus the number of characters.'''

    most: int = Field(10, description="characters that count")

    def load(self, device):
        return None

REWARDS.register("strange")(int)
"""


def installed(folder: Path, module: str, code: str) -> None:
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[lenity.rewards]\n{module} = {module}\n")


@pytest.mark.parametrize("arguments", [["rewards"], ["train", "--help"], ["sweep", "--help"]])
def test_plug_ins_are_listed_and_those_that_cannot_be_used_are_named(tmp_path, arguments):
    installed(tmp_path, "brevities", REWARD)
    installed(tmp_path, "broken_rewards", "1 / 0")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    found = subprocess.run(
        [sys.executable, "-m", "lenity", *arguments],
        check=False, env=environment | {"COLUMNS": "80"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "brevity" in found.stdout and "most" in found.stdout and "gpt2-large-helpful" in found.stdout
    assert found.stderr.count("ZeroDivisionError") == 1 and "package 'broken_rewards'" in found.stderr
    assert "reward 'strange' of builtins is left out: it is not a subclass of Section." in found.stderr
    if arguments == ["rewards"]:
        assert "package 'brevities'" in " ".join(re.sub(r"[│\n]", " ", found.stdout).split())
