"""Which runs of a sweep train, and which take from another."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny
from lenity.errors import CheckpointError
from lenity.estimators import Critic, Group, LeaveOneOut
from lenity.methods import Loop, train
from lenity.pareto.weights import points
from lenity.rules.linear import Linear
from lenity.runs.folder import RunFolder
from lenity.sweep import tasks
from lenity.sweep.plan import plan


def planned(methods, which=("lattice:2",), output="out", run=None, **options):
    config = tiny.run_config("m", "unused", **(run or {}))
    runs = plan(config, methods, points(list(config.rewards), which), Path(output), **options)
    return {Path(run.output).relative_to(Path(output) / "runs").as_posix(): run for run in runs}


CORNERS = ("helpful1", "harmless1")


@pytest.mark.parametrize("method", ["linear", "morlhf"])
@pytest.mark.parametrize("other", ["solo", "soups"])
def test_corners_are_taken_from_solo_runs_that_there_are_anyway(method, other):
    found = planned([method, other])
    for corner in CORNERS:
        assert found[f"{method}/{corner}"].method.source == str(Path("out/runs/solo") / corner)
    assert found[f"{method}/helpful0.5_harmless0.5"].method.source is None
    assert sum(not run.method.sources for run in found.values()) == 3


def test_methods_made_of_linear_train_at_corners_themselves():
    """GDPO standardises within a prompt and has no critic: at a corner it is not SOLO."""

    class Halved(Linear):
        def objective_scale(self, advantages, weights):
            return super().objective_scale(advantages, weights) / 2

    assert not any(found.method.sources for name, found in planned(["gdpo", "solo"]).items() if "gdpo" in name)
    assert Loop(rule=Halved()).twin({"helpful": 1.0, "harmless": 0.0}) is None


def test_the_runs_estimator_is_for_methods_that_have_none_of_their_own():
    found = planned(["plc", "gdpo", "soups", "ric"], ("corners",), run={"estimator": "leave_one_out:2"})
    kinds = {name: run.estimator for name, run in found.items() if "helpful1" in name}
    loo, critic = LeaveOneOut(responses=2), Critic()
    assert kinds == {
        "plc/helpful1": loo, "solo/helpful1": loo, "soups_exact/helpful1": loo, "gdpo/helpful1": Group(responses=8), "ric/helpful1": critic,
    }  # fmt: skip
    of_gdpo = planned(["plc", "gdpo"], ("corners",), run={"method": {"type": "gdpo", "responses": 4}})
    assert of_gdpo["plc/helpful1"].estimator == critic, "that of the run's own method is not the other's"


def test_nothing_is_taken_from_runs_of_another_seed_budget_or_method():
    assert all(
        run.method.source is None for run in planned(["linear", "plc"]).values() if hasattr(run.method, "source")
    )
    seeds = planned(["linear", "solo"], seeds=[0, 1])
    assert all(run.method.source is None or run.method.source.endswith(run.output[-6:]) for run in seeds.values())
    split = planned(["linear", "solo"], tokens=600)
    assert {run.budget.tokens for run in split.values()} == {200, 300}
    assert not any(run.method.sources for run in split.values())


def test_more_seeds_leave_the_folders_of_the_first_as_they_are():
    one, more = planned(["plc"]), planned(["plc"], seeds=[1, 0])
    assert all(more[name] == run for name, run in one.items())
    assert {name.removeprefix("plc/") for name in more.keys() - one.keys()} >= {"helpful1_seed1", "harmless1_seed1"}


def test_plc_and_solo_themselves_are_trained_at_corners():
    found = planned(["plc", "soups"])
    for name in ("plc/helpful1", "solo/helpful1"):
        assert not found[name].method.sources


def test_close_points_have_folders_of_their_own():
    close = [{"helpful": 0.33333, "harmless": 0.66667}, {"helpful": 1 / 3, "harmless": 2 / 3}]
    assert len(planned(["plc"], close)) == 2


def shared_corner_is_renewed(source, run):
    """Once its source was trained anew, or where it was cut short."""
    assert not tasks._outdated(run)
    file = source / "adapter_model.safetensors"
    shutil.copyfile(file, source / "new")
    (source / "new").replace(file)
    assert tasks._outdated(run)
    (RunFolder(run.output).adapter / file.name).unlink()
    assert tasks._outdated(run)


@pytest.mark.parametrize("method", ["linear", "morlhf"])
def test_a_shared_corner_is_the_one_trained_apart(method, tiny_model, tmp_path):
    """The same seed gives the same adapter to the last bit, and a run that was begun alone stays alone."""
    config = tiny.run_config(tiny_model, "unused", iterations=2)
    where = points(list(config.rewards), ["helpful"])
    apart = plan(config, [method], where, tmp_path)
    shared = plan(config, [method, "solo"], where, tmp_path / "shared")
    for run in apart + shared:
        train(run.model_copy(update={"standardisation": run.standardisation.model_copy(update={"file": None})}))
    first, second = (
        load_file(RunFolder(runs[-1].output).adapter / "adapter_model.safetensors") for runs in (apart, shared)
    )
    assert all(torch.equal(first[name], second[name]) for name in first) and first.keys() == second.keys()
    assert any(value.abs().max() > 0 for name, value in first.items() if "lora_B" in name)
    assert not RunFolder(shared[-1].output).metrics(), "nothing was trained twice"
    shared_corner_is_renewed(RunFolder(shared[0].output).adapter, shared[-1])
    again = plan(config, [method, "solo"], where, tmp_path)
    assert [run.method.source for run in again if method in run.output] == [None]
    changed = apart[0].model_copy(update={"ppo": config.ppo.model_copy(update={"epochs": 1})})
    with pytest.raises(CheckpointError, match=r"ppo\.epochs was 2 and is 1"):
        tasks.align(changed.dump(), str(tmp_path))


def test_a_change_reaches_the_runs_that_have_not_ended_and_the_others_say_that_they_stay(tiny_model, tmp_path):
    """A sweep goes on with a smaller mini-batch; what was trained before keeps its settings on record, and is evaluated."""
    config = tiny.run_config(tiny_model, "unused", iterations=2)
    ended, begun = plan(config, ["plc"], points(list(config.rewards), ["helpful", "centre"]), tmp_path)
    tasks.prepare(ended.dump(), str(tmp_path))
    for run in (ended, begun):
        tasks.align(run.dump(), str(tmp_path))
    shutil.rmtree(RunFolder(begun.output).adapter)
    shutil.rmtree(RunFolder(begun.output).checkpoints / "iteration_000002")
    changed = config.model_copy(update={"ppo": config.ppo.model_copy(update={"mini_batch_size": 2})})
    for run in plan(changed, ["plc"], points(list(config.rewards), ["helpful", "centre"]), tmp_path):
        tasks.align(run.dump(), str(tmp_path), allow_changes=True)
    assert [RunFolder(run.output).config.ppo.mini_batch_size for run in (ended, begun)] == [4, 2]
    note = (RunFolder(ended.output).path / "notes.log").read_text()
    assert "Not changed: ppo.mini_batch_size was 4 and is 2 (nothing is left to train)." in note
    assert (RunFolder(begun.output).path / "evaluation.parquet").is_file()


def test_a_sweep_that_is_begun_refuses_to_calibrate_otherwise(tiny_model, tmp_path):
    config = tiny.run_config(tiny_model, "unused", iterations=1)
    where = points(list(config.rewards), ["centre"])
    (run,) = plan(config, ["plc"], where, tmp_path)
    tasks.prepare(run.dump(), str(tmp_path))
    tasks.align(run.dump(), str(tmp_path))
    more = config.model_copy(update={"standardisation": config.standardisation.model_copy(update={"prompts": 40})})
    (again,) = plan(more, ["plc"], where, tmp_path)
    with pytest.raises(CheckpointError, match=r"standardisation\.prompts was 32 and is 40"):
        tasks.align(again.dump(), str(tmp_path))
