"""CONTRIBUTING.md's rule and method as packages of others, through the real command line: train, resume, sweep, describe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import yaml
from safetensors.torch import load_file

import tiny
from lenity.runs.folder import RunFolder
from outside import install

SMALL = {"iterations": 1, "ppo": {"epochs": 1, "mini_batch_size": 8, "accumulation": 1}}


@pytest.fixture
def lenity(tmp_path, tiny_model):
    """The command line where the example of ``group`` is installed, and run.yaml beside it."""

    def start(group):
        install(tmp_path, group)
        path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
        file = tmp_path / "run.yaml"
        file.write_text(yaml.safe_dump(tiny.run_config(tiny_model, tmp_path / "run", **SMALL).dump()))

        def run(*arguments):
            found = subprocess.run(
                [sys.executable, "-m", "lenity", *map(str, arguments)],
                check=False, cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=900,
            )  # fmt: skip
            assert found.returncode == 0, found.stderr
            return found.stdout

        return run

    return start


def test_a_rule_of_an_outside_package_trains_and_is_written_as_it_is_named(lenity, tmp_path):
    run = lenity("lenity.rules")
    assert "agreement" in run("methods", "unanimous")
    run("train", "run.yaml", "--method", "unanimous", "--method.agreement", "0.5")
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["method"]
    assert written == {"type": "unanimous", "label": None, "source": None, "agreement": 0.5}
    (row,) = RunFolder(tmp_path / "run").metrics()
    assert row["iteration"] == 1 and (tmp_path / "run" / "adapter" / "adapter_model.safetensors").is_file()


def test_a_method_of_an_outside_package_is_swept_with_the_runs_that_it_needs(lenity, tmp_path):
    run = lenity("lenity.methods")
    assert "nearest" in run("methods") and "greatest weight" in run("methods", "nearest")
    run("sweep", "run.yaml", "--methods", "nearest", "--points", "[{helpful: 0.75, harmless: 0.25}]", "--output", "all")
    runs = tmp_path / "all" / "runs"
    assert sorted(folder.name for folder in runs.iterdir()) == ["nearest", "solo"]
    (made,) = (runs / "nearest").iterdir()
    assert yaml.safe_load((made / "config.yaml").read_text())["method"]["solo"].keys() == {"helpful", "harmless"}
    adapters = [
        load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (made, runs / "solo" / "helpful1")
    ]
    assert all((adapters[0][name] == value).all() for name, value in adapters[1].items())
    assert (made / "README.md").is_file() and (tmp_path / "all" / "evaluation.parquet").is_file()
