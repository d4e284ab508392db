"""The templates of `lenity init`: commented, of fields that there are, in the wheel, and written over nothing."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lenity.cli.init import NEXT, WORLD, template
from lenity.cli.main import cli
from lenity.config.load import parse, read_yaml
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.errors import ConfigError
from lenity.pareto.weights import points
from lenity.runs.config import RunConfig
from lenity.sweep.config import load_sweep
from lenity.sweep.plan import plan

ROOT = Path(__file__).resolve().parents[2]
MODELS = {"train": RunConfig, "sft": SFTConfig, "reward": RewardTrainingConfig}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a toy world so small that none is built."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lenity.toy.world.copy_world", lambda folder: folder.mkdir(parents=True, exist_ok=True))
    return tmp_path


@pytest.mark.parametrize("name", NEXT)
def test_what_is_written_is_read_by_the_next_command(here, name):
    found = CliRunner().invoke(cli, ["init", name])
    assert found.exit_code == 0, found.exception
    file = here / f"{name}.yaml"
    verb = NEXT[name][0]
    assert f"Next: lenity {verb} {name}.yaml" in found.output
    assert (here / WORLD).is_dir() is (WORLD in file.read_text())
    if verb == "sweep":
        sweep = load_sweep(file)
        assert (
            len(plan(sweep.run, sweep.methods, points(list(sweep.run.rewards), sweep.points), Path("x"), sweep.seeds))
            == 18
        )
    else:
        parse(MODELS[verb], read_yaml(file), source=name)


@pytest.mark.parametrize("name", ["sft", "reward"])
def test_the_lines_that_are_commented_out_are_right_too(name):
    text = template(name)
    other = yaml.safe_load("\n".join(re.findall(r"^# (\w+: [^A-Z].*|output: .*|model: .*)$", text, re.MULTILINE)))
    assert {"output", "model", "lora"} < set(other)
    parse(MODELS[name], yaml.safe_load(text) | other, source=name)


@pytest.mark.parametrize("name", NEXT)
def test_comments_say_what_is_there(name):
    lines = template(name).splitlines()
    assert lines[0].startswith("# ") and lines[0].endswith(".") and lines[1].startswith("# ")
    assert sum("#" in line for line in lines[2:]) >= 4 and max(map(len, lines)) <= 150


def test_the_list_has_a_sentence_for_each():
    found = CliRunner().invoke(cli, ["init"])
    assert found.exit_code == 0
    assert [line.split()[0] for line in found.output.splitlines()[:-1]] == list(NEXT)
    assert {path.stem for path in (ROOT / "src" / "lenity" / "templates").iterdir()} == set(NEXT)


def test_nothing_is_written_over(here):
    (here / "toy.yaml").write_text("mine")
    (here / "link.yaml").symlink_to("nowhere")
    for options in ([], ["--output", "toy.yaml"], ["--output", "link.yaml"]):
        found = CliRunner().invoke(cli, ["init", "toy", *options])
        assert isinstance(found.exception, ConfigError) and "exists already; nothing was written" in str(
            found.exception
        )
    assert (
        (here / "toy.yaml").read_text() == "mine" and not (here / "nowhere").exists() and not (here / "runs").exists()
    )
    found = CliRunner().invoke(cli, ["init", "toy", "--output", "."])
    assert isinstance(found.exception, ConfigError) and "is a folder" in str(found.exception)
    found = CliRunner().invoke(cli, ["init", "hh", "--output", "new folder/my run.yaml"])
    assert found.exit_code == 0 and "Next: lenity train 'new folder/my run.yaml'" in found.output
    assert (here / "new folder" / "my run.yaml").read_text() == template("hh")


def test_an_unknown_name_is_told_with_its_like(here):
    found = CliRunner().invoke(cli, ["init", "tyo"])
    assert isinstance(found.exception, ConfigError) and found.exception.exit_code == 2
    assert "Did you mean 'toy'? Known: toy, hh, chat, sweep, sft, reward." in str(found.exception)


def test_a_world_is_copied_once_and_over_nothing_else(tmp_path, small_world, monkeypatch):
    from lenity.errors import DataError
    from lenity.toy import world

    monkeypatch.setattr(world, "build_world", lambda seed: small_world)
    made = world.copy_world(tmp_path / "a b" / "world")
    assert made.policy.is_dir() and all(folder.is_dir() for folder in made.rewards.values())
    monkeypatch.setattr(world, "build_world", pytest.fail)
    assert world.copy_world(tmp_path / "a b" / "world") == made
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all of it")
    with pytest.raises(DataError, match="holds no toy world"):
        world.copy_world(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "all of it"


def test_the_configuration_of_the_toy_world_is_there_once():
    assert (ROOT / "configs" / "toy.yaml").resolve() == ROOT / "src" / "lenity" / "templates" / "toy.yaml"


@pytest.fixture(scope="module")
def hook():
    """The build hook as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("repository", ["https://host.example/me/it/", None])
def test_a_package_index_gets_a_readme_whose_links_lead_somewhere(hook, repository):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert [
        target for target in targets if not target.startswith("http") and not (ROOT / target.partition("#")[0]).exists()
    ] == []
    found = re.findall(r"\]\(([^)]+)\)", hook.absolute(text, repository))
    assert found and all(target.startswith("https://") for target in found)
    assert len(found) == (len(targets) if repository else sum(target.startswith("https://") for target in targets))
    if repository:
        assert "![Mean scores" in hook.absolute(
            text, repository
        ) and "(https://host.example/me/it/raw/main/docs/front.svg)" in hook.absolute(text, repository)
