"""Every committed configuration parses, and reads back from what it is written as."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lenity.config.load import parse, read_yaml
from lenity.config.run import RunConfig

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def model_of(path):
    if "_sft" in path.stem or "_reward" in path.stem:
        stages = pytest.importorskip("lenity.config.stages", reason="stages before alignment are not there yet")
        return stages.SFTConfig if "_sft" in path.stem else stages.RewardTrainingConfig
    return RunConfig


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_parses(path):
    model = model_of(path)
    config = parse(model, read_yaml(path), source=str(path))
    assert parse(model, config.model_dump(mode="json")) == config


def test_reading_configuration_imports_no_torch():
    code = "import sys, lenity.config.load, lenity.config.run; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_help_imports_no_torch():
    pytest.importorskip("lenity.cli.main", reason="the command line is not there yet")
    code = (
        "import sys\nfrom lenity.cli.main import main\nsys.argv = ['lenity', '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'torch', 'transformers', 'datasets', 'trl'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
