"""The run folder: what it refuses, and what a crash leaves behind."""

from __future__ import annotations

import pytest

import tiny
from lenity.errors import CheckpointError
from lenity.runs import folder as run_folder
from lenity.runs.folder import RunFolder
from lenity.storage.atomic_io import writing


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
    with pytest.raises(CheckpointError, match=r"already holds a run\. Add --resume"):
        RunFolder.open(config, resume=False)


def test_a_run_that_failed_before_its_first_iteration_can_be_started_anew(config, tmp_path):
    run = RunFolder.open(config, resume=False)
    (run.path / "standardisation.json").write_text("{}")
    again = RunFolder.open(tiny.run_config("another/model", tmp_path / "run"), resume=False)
    assert again.config.policy.model == "another/model" and not (run.path / "standardisation.json").exists()


def test_what_training_does_not_depend_on_may_change(config, tmp_path):
    RunFolder.open(config, resume=False).append({"iteration": 1}, [])
    changes = {"checkpoint": {"every": 7}, "evaluation": {"limit": 3}, "tolerance": {"unscored": 0.5}}
    words = []
    again = RunFolder.open(tiny.run_config("some/model", tmp_path / "run", **changes), resume=True, notify=words.append)
    assert again.config.checkpoint.every == 7
    assert sorted(words) == [
        "Changed after iteration 1: checkpoint.every was 1 and is 7.",
        "Changed after iteration 1: evaluation.limit was 12 and is 3.",
        "Changed after iteration 1: tolerance.unscored was 0.1 and is 0.5.",
    ]


def test_changes_that_training_depends_on_are_refused_unless_told_and_then_noted(config, tmp_path):
    run = RunFolder.open(config, resume=False)
    run.append({"iteration": 1}, [])
    other = tiny.run_config("some/model", tmp_path / "run", seed=4, kl={"coefficient": 0.5}, checkpoint={"every": 7})
    with pytest.raises(
        CheckpointError, match=r"seed was 0 and is 4; kl\.coefficient was 0\.05 and is 0\.5\. .*--allow-changes"
    ):
        RunFolder.open(other, resume=True)
    assert RunFolder(run.path).config == config, "a refusal changes nothing"
    assert RunFolder.open(other, resume=True, allow_changes=True).config == other
    notes = (run.path / "notes.log").read_text().splitlines()
    assert len(notes) == 3 and notes[0].endswith("Changed after iteration 1: seed was 0 and is 4.")


def test_other_objectives_are_another_run_whatever_is_allowed(config, tmp_path):
    RunFolder.open(config, resume=False).append({"iteration": 1}, [])
    reward = {"type": "function", "function": f"{tiny.__file__}:helpful"}
    other = tiny.run_config("some/model", tmp_path / "run", weights={"a": 1.0}, rewards={"a": reward})
    with pytest.raises(CheckpointError, match=r"objectives \['helpful', 'harmless'\], not \['a'\]"):
        RunFolder.open(other, resume=True, allow_changes=True)


def test_not_a_run_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"no config\.yaml"):
        _ = RunFolder(tmp_path).config


@pytest.mark.parametrize(
    "torn", [b'{"iteration": 4, "rew', '{"iteration": 4, "response": "é'.encode()[:-1], b'{"iteration": 4}', b"[4]\n"]
)
def test_a_line_cut_short_is_forgotten(config, torn):
    run = RunFolder.open(config, resume=False)
    for iteration in (1, 2, 3):
        run.append({"iteration": iteration}, [{"iteration": iteration, "response": "é \u2028 \x85 stays one line"}])
    for name in ("metrics.jsonl", "samples.jsonl"):
        with (run.path / name).open("ab") as file:
            file.write(torn)
    assert [row["iteration"] for row in run.metrics()] == [1, 2, 3]
    run.truncate(2)
    assert [row["iteration"] for row in run.metrics()] == [1, 2]
    assert (run.path / "samples.jsonl").read_bytes().count(b"\n") == 2


def test_a_full_disk_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"No space left.*--resume"), writing(tmp_path / "deep" / "er"):
        raise OSError(28, "No space left on device")


def test_a_crash_between_samples_and_row_leaves_neither(config, monkeypatch):
    """The row comes last: what it does not stand for is forgotten."""
    run = RunFolder.open(config, resume=False)
    run.append({"iteration": 1}, [{"iteration": 1}])
    plain, files = run_folder.append_text, []

    def dies(file, text):
        files.append(file.name)
        if len(files) == 2:
            raise KeyboardInterrupt
        plain(file, text)

    monkeypatch.setattr(run_folder, "append_text", dies)
    with pytest.raises(KeyboardInterrupt):
        run.append({"iteration": 2}, [{"iteration": 2}])
    monkeypatch.undo()
    assert files == ["samples.jsonl", "metrics.jsonl"] and len(run.metrics()) == 1
    run.truncate(len(run.metrics()))
    assert (run.path / "samples.jsonl").read_text() == '{"iteration": 1}\n'
