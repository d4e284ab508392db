"""The policy of a checkpoint is evaluated like that of a finished run, and never taken for it."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file

import tiny
from lenity.cli.evaluate import command
from lenity.errors import CheckpointError, ConfigError, FolderInUseError, ProtocolError, StoppedError
from lenity.evaluation import subject
from lenity.evaluation.folder import runs_in
from lenity.evaluation.places import checkpoint_place
from lenity.evaluation.score import evaluate
from lenity.judge import questions
from lenity.methods import train
from lenity.report.collect import read_runs
from lenity.report.evidence import gather
from lenity.report.page import write_page
from lenity.runs import checkpoint as checkpoints
from lenity.runs.checkpoint import Checkpoint
from lenity.runs.folder import RunFolder
from lenity.storage.lock import locked
from lenity.training.stages import Stages

SCORES = ["policy", "prompt_id", "response", "objective", "raw", "standardised", "kl"]


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    """A run of three iterations that keeps all its checkpoints."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    return train(tiny.run_config(tiny_model, folder, checkpoint={"every": 1, "keep_last": 3})).path


@pytest.fixture
def run(finished, tmp_path):
    return RunFolder(shutil.copytree(finished, tmp_path / "run"))


@pytest.fixture
def interrupted(tiny_model, tmp_path, monkeypatch):
    """The same run, stopped after the second iteration."""
    config = tiny.run_config(tiny_model, tmp_path / "half", checkpoint={"every": 1, "keep_last": 3})
    generate = Stages.generate

    def stopped(self, iteration):
        if iteration == 2:
            raise StoppedError("stopped")
        return generate(self, iteration)

    with monkeypatch.context() as patch:
        patch.setattr(Stages, "generate", stopped)
        with pytest.raises(StoppedError):
            train(config)
    return RunFolder(config.output)


def invoke(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


def test_the_last_checkpoint_scores_as_the_finished_adapter_does(run):
    last, whole = evaluate(run, checkpoint=3), evaluate(run)
    pd.testing.assert_frame_equal(last[SCORES], whole[SCORES])
    earlier = evaluate(run, checkpoint=1)
    assert not earlier["response"].equals(whole["response"]), "another policy answers otherwise"


def test_the_policy_is_that_of_the_checkpoint(run):
    model, _ = subject.Subject.of(run, 2, subject_processes()).load(torch.device("cpu"))
    saved = load_file(run.checkpoints / "iteration_000002" / "weights.safetensors")
    own = dict(model.named_parameters())
    adapter = [name for name in saved if "lora_" in name]
    assert adapter and all(torch.equal(own[name.removeprefix("policy.")], saved[name]) for name in adapter)


def subject_processes():
    from lenity.distributed.processes import ALONE

    return ALONE


def test_an_interrupted_run_is_evaluated_and_goes_on_to_the_same_bits(interrupted, finished):
    before = {file: file.read_bytes() for file in interrupted.path.rglob("*") if file.is_file()}
    result = invoke(interrupted.path, "--checkpoint", "newest")
    place = interrupted.path / "evaluations" / "iteration_000002"
    assert result.exit_code == 0 and "evaluations/iteration_000002" in result.output.replace("\n", "")
    assert all(file.read_bytes() == content for file, content in before.items()), "nothing of the run has changed"
    assert json.loads((place / "evaluation.json").read_text())["iteration"] == 2
    train(interrupted.config, resume=True)
    for name in ("adapter_model.safetensors",):
        assert (interrupted.adapter / name).read_bytes() == (finished / "adapter" / name).read_bytes()
    for name in ("weights", "optimizer"):
        file = f"checkpoints/iteration_000003/{name}.safetensors"
        assert (interrupted.path / file).read_bytes() == (finished / file).read_bytes()


def test_its_rows_are_never_those_of_the_finished_run(run, tmp_path):
    evaluate(run, checkpoint="newest")
    (found,) = read_runs(tmp_path)
    assert (found.method, found.iteration, found.path) == ("plc, iteration 3 of 3", 3, run.path)
    page = write_page(gather(tmp_path)).read_text()
    assert "plc, iteration 3 of 3" in page and "not finished when they were evaluated" in page
    assert list(questions.read_runs(tmp_path)) == ["run/evaluations/iteration_000003"]
    whole = evaluate(run)
    assert set(whole["method"]) == {"plc"} and "iteration" not in whole
    assert pd.read_parquet(run.path / "evaluation.parquet").equals(whole)
    (found,) = read_runs(tmp_path)
    assert (found.method, found.iteration) == ("plc", None), "the finished policy's rows come first"


def test_the_report_takes_the_newest_checkpoint_that_was_evaluated(run, tmp_path):
    for iteration in (1, 2):
        evaluate(run, checkpoint=iteration)
    (found,) = read_runs(tmp_path)
    assert found.iteration == 2 and [row["iteration"] for row in found.metrics] == [1, 2]


def test_checkpoints_that_are_named_are_each_compared(run, tmp_path):
    """Also with the finished run; a label that they have stands for one setting."""
    for iteration in (1, 2):
        assert CliRunner().invoke(command, [str(run.path), "--checkpoint", str(iteration)]).exit_code == 0
    evaluate(run)
    one, two = (checkpoint_place(run.path, iteration) for iteration in (1, 2))
    named = {"plc": run.path, "plc, iteration 1 of 3": one, "plc, iteration 2 of 3": two}
    for folders in ((one, two), (run.path, two), (two, run.path, one)):
        found = read_runs(*folders)
        assert [(own.method, own.place) for own in found] == [
            (next(name for name in named if named[name] == folder), folder) for folder in folders
        ]
    assert len(read_runs(run.path, run.path.parent)) == 1
    CliRunner().invoke(command, [str(run.path), "--checkpoint", "2", "--method.label", "mine"])
    page = write_page(gather([one, two], output=tmp_path)).read_text()
    assert "mine, iteration 2 of 3" in page and "One label stands" not in page
    other = yaml.safe_load((one / "protocol.yaml").read_text())
    other["decoding"]["temperature"] = 0.5
    (one / "protocol.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(ProtocolError, match=r"iteration_00000[12].* and .*iteration_00000[12].* differ in decoding"):
        gather([one, two])


def test_another_way_of_evaluation_is_kept_beside_it_and_not_in_the_run(interrupted):
    before = (interrupted.path / "config.yaml").read_bytes()
    result = invoke(interrupted.path, "--checkpoint", "1", "--evaluation.limit", "4")
    assert result.exit_code == 0 and (interrupted.path / "config.yaml").read_bytes() == before
    place = interrupted.path / "evaluations" / "iteration_000001"
    assert RunFolder(place).config.evaluation.limit == 4
    assert pd.read_parquet(place / "evaluation.parquet")["prompt_id"].nunique() == 4


@pytest.mark.parametrize(
    ("which", "kind", "message"),
    [
        (7, CheckpointError, "--checkpoint is 7, but .* has checkpoints only of iterations 1, 2, 3"),
        (0, CheckpointError, "--checkpoint is 0, but .* has checkpoints only of iterations 1, 2, 3"),
        ("last", ConfigError, "--checkpoint is 'last'"),
        ("-1", ConfigError, "--checkpoint is '-1'"),
        ("2.0", ConfigError, "--checkpoint is '2.0'"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_refused(run, which, kind, message):
    with pytest.raises(kind, match=message):
        invoke(run.path, "--checkpoint", which)
    assert not (run.path / "evaluations").exists()


def test_one_run_at_a_time(run, tmp_path):
    with pytest.raises(CheckpointError, match="is not the folder of a run"):
        invoke(tmp_path, "--checkpoint", "newest")


def test_a_run_without_checkpoints_says_when_the_first_comes(tiny_model, tmp_path):
    run = RunFolder.open(tiny.run_config(tiny_model, tmp_path / "run"), resume=False)
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        evaluate(run, checkpoint="newest")


@pytest.mark.parametrize("method", [{"type": "soups"}, {"type": "ric"}])
def test_a_method_without_checkpoints_is_refused(tiny_model, tmp_path, method):
    run = RunFolder.open(tiny.run_config(tiny_model, tmp_path / "run", method=method), resume=False)
    with pytest.raises(CheckpointError, match="writes no checkpoints"):
        evaluate(run, checkpoint="newest")


def test_an_unfinished_run_says_how_it_can_be_evaluated(interrupted):
    with pytest.raises(CheckpointError) as error:
        runs_in(interrupted.path)
    assert error.value.remedy.endswith(f"lenity evaluate {interrupted.path} --checkpoint newest")


def test_a_torn_checkpoint_is_refused_by_number_and_passed_over_as_the_newest(run, capsys):
    file = run.checkpoints / "iteration_000003" / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="iteration_000003"):
        evaluate(run, checkpoint=3)
    assert set(evaluate(run, checkpoint="newest")["iteration"]) == {2}
    assert "iteration_000003' is skipped" in capsys.readouterr().out.replace("\n", "")


def test_a_checkpoint_of_another_adapter_is_refused(run):
    config = run.config
    lora = config.policy.lora.model_copy(update={"r": 2})
    run.__dict__["config"] = config.model_copy(update={"policy": config.policy.model_copy(update={"lora": lora})})
    with pytest.raises(CheckpointError, match="does not fit the model or adapter"):
        subject.Subject.of(run, 3, subject_processes()).load(torch.device("cpu"))


def test_a_checkpoint_that_training_removes_meanwhile_is_looked_for_again(run, monkeypatch):
    """With ``keep_last: 1`` the one that is read goes as soon as the next is written."""
    later = run.path / "later"
    (run.checkpoints / "iteration_000003").rename(later)
    shutil.rmtree(run.checkpoints / "iteration_000001")
    load = Checkpoint.load

    def meanwhile(folder):
        if later.exists():
            later.rename(run.checkpoints / "iteration_000003")
            shutil.rmtree(run.checkpoints / "iteration_000002")
        return load(folder)

    monkeypatch.setattr(checkpoints.Checkpoint, "load", meanwhile)
    assert set(evaluate(run, checkpoint="newest")["iteration"]) == {3}


def test_a_run_in_training_is_evaluated_and_one_checkpoint_by_one_process_alone(run):
    with locked(run.path):
        assert set(evaluate(run, checkpoint=2)["iteration"]) == {2}
        with pytest.raises(FolderInUseError):
            evaluate(run)
    with locked(run.path / "evaluations" / "iteration_000001"), pytest.raises(FolderInUseError):
        evaluate(run, checkpoint=1)
