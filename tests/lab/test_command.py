"""`lenity lab` as a user meets it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lenity.cli.main import cli
from lenity.errors import ConfigError


def run(*arguments):
    result = CliRunner().invoke(cli, ["lab", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_figure1_writes_its_files_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    folder = tmp_path / "out"
    result = run("figure1", "--steps", "5", "--output", str(folder), "--weights", "0.25, 0.75")
    assert result.exit_code == 0, result.output
    for name in ("figure1.json", "figure1.png", "figure1.svg"):
        assert (folder / name).stat().st_size > 0 and name in result.output
    assert "sigmoid, λ → 0" in result.output and "escaped" in result.output
    kept = json.loads((folder / "figure1.json").read_text())
    assert kept["weights"] == [0.25, 0.75] and kept["steps"] == 5 and len(kept["ends"]) == 8


def test_bandit_writes_its_files_and_says_where(tmp_path):
    result = run("bandit", "--steps", "5", "--output", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert {file.name for file in tmp_path.iterdir()} == {"bandit.json", "bandit.png", "bandit.svg"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--weights", "0.5,0.6"], r"weights: found '0.5,0.6', sum 1.1. Let each be .* their sum 1"),
        (["--weights", "0.5"], "weights: found 1 in '0.5', and this world has 2 objectives"),
        (["--weights", "-1,2"], "Let each be at least 0"),
        (["--weights", "nan,1"], "Let each be at least 0"),
        (["--weights", "half,half"], "numbers with commas between them"),
        (["--temperature", "0"], r"(?s)temperature: found 0.0; .*greater than 0.*--temperature"),
        (["--temperature", "inf"], "temperature: found inf; .*finite"),
    ],
)
@pytest.mark.parametrize("name", ["figure1", "bandit"])
def test_wrong_options_are_named_with_a_remedy(name, arguments, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        run(name, *arguments, "--output", str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_help_teaches_by_example():
    assert "docs/lab.md" in run("--help").output
    for name in ("figure1", "theorems", "bandit"):
        assert f"Example: lenity lab {name}" in run(name, "--help").output
