"""What is written and shown of every registered method."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from lenity.cli.main import cli
from lenity.config.fields import fields_of
from lenity.config.members import open_sets
from lenity.methods import METHODS
from lenity.runs.config import RunConfig

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "generate_docs.py"


@pytest.fixture(scope="module")
def generated():
    """The generator as a module."""
    spec = importlib.util.spec_from_file_location("generate_docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["methods", "configuration"])
def test_every_row_of_a_table_has_its_cells(generated, page):
    width = 0
    for line in getattr(generated, page)().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and width) or cells == width, line
        width = cells


def test_norms_and_conditions_keep_their_bars(generated):
    page = generated.methods()
    assert r"π(y \| x, r*(w))" in page and r"\|\|w\|\|_2" in page


def test_fields_of_sections_are_in_the_tables(generated):
    for page in (generated.methods(), generated.configuration()):
        assert "| `online.quantile` | `float >= 0 and <= 1` | `0.7` |" in page
    assert "| `lora.r` | `int >= 1` | `64` |" in generated.configuration()


def test_a_method_is_described_with_its_sections_and_pitfalls(monkeypatch, generated):
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(cli, ["methods", "ric"]).output
    assert "offline.steps" in shown and "online.quantile" in shown
    for name in ("ric", "soups", "morlhf", "gapo", "p-gapo"):
        told = METHODS[name].pitfalls
        assert told and told in generated.methods()
        assert told.split()[:5] == CliRunner().invoke(cli, ["methods", name]).output.split("Pitfalls:")[1].split()[:5]


def test_the_configuration_page_has_every_member_in_use_with_its_fields(generated):
    page = generated.configuration()
    for one in open_sets(RunConfig):
        kind = one.registry.kind.capitalize()
        for name, member in one.registry.items():
            part = page.partition(f"\n### {kind} `{name}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
            used = yaml.safe_load(re.search("```yaml\n(.*?)```", part, re.DOTALL)[1])
            assert f"'type': '{name}'" in str(used)
            own = [field for field in fields_of(member) if field not in one.base.model_fields]
            assert all(re.search(rf"^\| `{field}[`.]", part, re.MULTILINE) for field in own), name


@pytest.mark.parametrize(("page", "least"), [("reliability", 30), ("scale", 5)])
def test_the_promises_name_tests_that_there_are(page, least):
    root = Path(__file__).resolve().parents[1]
    text = (root / "docs" / f"{page}.md").read_text(encoding="utf-8")
    sources = "\n".join(file.read_text(encoding="utf-8") for file in (root / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", text)
    assert len(named) > least and [name for name in named if f"def {name}(" not in sources] == []
    assert [path for path in re.findall(r"`(tests/[\w/.]+)`", text) if not (root / path).exists()] == []


@pytest.mark.parametrize(
    "page", sorted(path.stem for path in (SCRIPT.parents[1] / "docs").glob("*.md") if path.stem != "log")
)
def test_the_files_and_pages_that_a_page_names_exist(page):
    """``log`` is a record of the past."""
    docs = SCRIPT.parents[1] / "docs"
    text = (docs / f"{page}.md").read_text(encoding="utf-8")
    roots = [docs.parent, docs.parent / "src", docs.parent / "src" / "lenity"]
    named = [*re.findall(r"`((?:\w+/)+\w+\.py)`", text), *re.findall(r"`(\w+/)`", text)]
    of_runs = {"base/", "adapter/", "checkpoints/", "evaluations/"}
    assert [path for path in named if path not in of_runs and not any((root / path).exists() for root in roots)] == []
    assert [path for path in re.findall(r"\]\(([^)#:\s]+)", text) if not (docs / path).exists()] == []
