"""Trackers and other choices whose package is not there are refused before anything starts; Weights & Biases and trackio are not installed here."""

from __future__ import annotations

import sys

import pytest
import yaml
from click.testing import CliRunner

import tiny
from lenity.cli.main import cli
from lenity.config.extras import require_trackers
from lenity.errors import ConfigError
from lenity.methods import train
from lenity.sweep.plan import plan
from lenity.sweep.run import run_sweep


@pytest.fixture
def missing(monkeypatch):
    """As where neither is installed."""
    monkeypatch.setattr(
        "lenity.config.extras.find_spec", lambda name: None if name in {"wandb", "trackio"} else object()
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(tiny.run_config("no/model", tmp_path / "run").dump(), sort_keys=False))
    return path


@pytest.mark.parametrize("tracker", ["wandb", "trackio"])
@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["doctor"],
        ["sweep", "--output", "all"],
        ["sweep", "--output", "all", "--dry-run"],
        ["sweep", "--output", "all", "--executor", "slurm"],
    ],
)
def test_a_tracker_that_is_not_installed_is_refused_at_the_start(missing, file, tmp_path, command, tracker):
    words = [str(tmp_path / word) if word == "all" else word for word in command]
    found = CliRunner().invoke(
        cli, [words[0], str(file), *words[1:], "--logging.trackers", f"[tensorboard, {tracker}]"]
    )
    assert isinstance(found.exception, ConfigError) and found.exception.exit_code == 2
    assert found.exception.what == f"logging.trackers names {tracker}, which is not installed."
    assert f"pip install 'lenity[{tracker}]'" in found.exception.remedy
    assert not (tmp_path / "run").exists() and not (tmp_path / "all").exists()


def test_from_python_too(missing, tmp_path):
    config = tiny.run_config("no/model", tmp_path / "run", logging={"trackers": ["wandb"]})
    with pytest.raises(ConfigError, match="not installed"):
        train(config)
    with pytest.raises(ConfigError, match="not installed"):
        run_sweep(plan(config, ["plc"], [config.weights], tmp_path / "all"), tmp_path / "all")
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_imported_is_refused_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "wandb.py").write_text("raise TypeError('descriptors cannot be created')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(ConfigError, match=r"cannot be imported \(TypeError: descriptors cannot be created\)"):
        require_trackers(["wandb"])


def test_one_that_is_there_is_taken():
    pytest.importorskip("tensorboard")
    require_trackers(["tensorboard"])
    require_trackers([])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[wandbb]", ["logging.trackers.0: found 'wandbb'", "Did you mean 'wandb'?"]),
        ("[comet]", ["found 'comet'", "'tensorboard', 'wandb' or 'trackio'"]),
    ],
)
def test_an_unknown_tracker_is_refused_with_the_known(file, value, words):
    found = CliRunner().invoke(cli, ["train", str(file), "--logging.trackers", value])
    assert isinstance(found.exception, ConfigError)
    assert [word for word in words if word not in str(found.exception)] == []


def test_a_misspelt_choice_is_told_with_its_like(file):
    found = CliRunner().invoke(cli, ["train", str(file), "--critic.kind", "separat"])
    assert "Did you mean 'separate'?" in str(found.exception)
