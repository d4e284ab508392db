"""Every committed configuration parses, and reads back from what it is written as."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lenity.cli.main import COMMANDS
from lenity.config.load import parse, read_yaml
from lenity.config.stages import RewardTrainingConfig, SFTConfig
from lenity.pareto.weights import points
from lenity.runs.config import RunConfig
from lenity.sweep.config import load_sweep
from lenity.sweep.plan import plan

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


def model_of(path):
    if "_sft" in path.stem or "_reward" in path.stem:
        return SFTConfig if "_sft" in path.stem else RewardTrainingConfig
    return RunConfig


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if path.stem.startswith("sweep_")], ids=lambda path: path.name
)
def test_a_sweep_parses_and_plans(path):
    sweep = load_sweep(path)
    where = points(list(sweep.run.rewards), sweep.points)
    assert len(plan(sweep.run, sweep.methods, where, Path("x"), sweep.seeds)) > len(where)


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if not path.stem.startswith("sweep_")], ids=lambda path: path.name
)
def test_parses(path):
    model = model_of(path)
    config = parse(model, read_yaml(path), source=str(path))
    assert parse(model, config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    "path", [path for path in CONFIGS if path.stem.startswith("paper_")], ids=lambda path: path.name
)
def test_the_papers_configurations_are_the_presets(path):
    """Whatever the defaults are: changing one must not change what the paper is said to do."""
    data = read_yaml(path)
    written = parse(RunConfig, data, source=str(path)).method.rule
    preset = parse(RunConfig, data | {"method": "plc", "preset": "paper"}).method.rule
    fields = ("gate", "temperature", "leniency", "schedule")
    assert [getattr(written, field) for field in fields] == [getattr(preset, field) for field in fields]


def test_the_readmes_example_parses():
    text = (CONFIGS[0].parents[1] / "README.md").read_text(encoding="utf-8")
    config = parse(RunConfig, yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]))
    assert config.held_out_prompts is not None


def test_reading_configuration_imports_no_torch():
    file = next(path for path in CONFIGS if path.stem == "toy")
    code = (
        "import sys; from lenity.config.load import load; from lenity.runs.config import RunConfig;"
        f"load(RunConfig, {str(file)!r}, []); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_no_torch(command):
    code = (
        "import sys\nfrom lenity.cli.main import main\nsys.argv = ['lenity', *sys.argv[1:], '--help']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "heavy = {'torch', 'transformers', 'datasets', 'trl'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, *command.split()], check=False, timeout=60, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert "Usage:" in found.stdout
