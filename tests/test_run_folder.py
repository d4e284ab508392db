"""The run folder: what it refuses, and what a crash leaves behind."""

from __future__ import annotations

import pytest

import tiny
from lenity.durable import writing
from lenity.errors import CheckpointError
from lenity.run_folder import RunFolder


@pytest.fixture
def config(tmp_path):
    return tiny.run_config("some/model", tmp_path / "run")


def test_the_configuration_reads_back(config):
    run = RunFolder.open(config, resume=False)
    assert RunFolder(run.path).config == config
    assert not run.finished


def test_weights_keep_the_order_of_the_rewards(tmp_path):
    config = tiny.run_config("m", tmp_path / "run", weights={"harmless": 0.25, "helpful": 0.75})
    RunFolder.open(config, resume=False)
    assert RunFolder(tmp_path / "run").config.objectives.weight_vector().tolist() == [0.75, 0.25]


def test_a_second_run_in_the_same_folder_is_refused(config):
    RunFolder.open(config, resume=False).append({"iteration": 1}, [])
    with pytest.raises(CheckpointError, match=r"already holds a run; add --resume"):
        RunFolder.open(config, resume=False)


def test_a_run_that_failed_before_its_first_iteration_can_be_started_anew(config, tmp_path):
    run = RunFolder.open(config, resume=False)
    (run.path / "standardisation.json").write_text("{}")
    again = RunFolder.open(tiny.run_config("another/model", tmp_path / "run"), resume=False)
    assert again.config.policy.model == "another/model" and not (run.path / "standardisation.json").exists()


def test_resuming_another_run_is_refused_and_the_field_named(config, tmp_path):
    RunFolder.open(config, resume=False).append({"iteration": 1}, [])
    RunFolder.open(tiny.run_config("some/model", tmp_path / "run", iterations=9), resume=True)
    with pytest.raises(CheckpointError, match="another seed: 0, now 4"):
        RunFolder.open(tiny.run_config("some/model", tmp_path / "run", seed=4), resume=True)


def test_not_a_run_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.yaml"):
        _ = RunFolder(tmp_path).config


def test_a_line_cut_short_is_forgotten(config):
    run = RunFolder.open(config, resume=False)
    for iteration in (1, 2, 3):
        run.append({"iteration": iteration}, [{"iteration": iteration, "response": "é"}])
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 4, "rew')
    assert [row["iteration"] for row in run.metrics()] == [1, 2, 3]
    run.truncate(2)
    assert [row["iteration"] for row in run.metrics()] == [1, 2]
    assert (run.path / "samples.jsonl").read_text().count("\n") == 2


def test_a_full_disk_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"No space left.*--resume"), writing(tmp_path / "deep" / "er"):
        raise OSError(28, "No space left on device")
