"""Runs made in Python: their folder, tables and policy, how they stop, resume and are evaluated, and what the command line says of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from click.testing import CliRunner
from transformers import AutoModelForCausalLM, AutoTokenizer

import lenity
import tiny
from faults.same import assert_same
from lenity.cli.main import cli
from lenity.evaluation import table
from lenity.evaluation.score import evaluate
from lenity.runs.folder import RunFolder
from lenity.training.loop import train
from library.small import TEST, TRAIN, polite, trainer


def impolite(prompts, completions):
    """Another function."""
    return [-float(len(text.split())) for text in completions]


def stop_after(iteration):
    return lambda row: lenity.STOP if row["iteration"] == iteration else None


@pytest.fixture(scope="module")
def straight(tiny_model, tmp_path_factory):
    """A finished run."""
    torch.set_num_threads(1)
    return trainer(tiny_model, tmp_path_factory.mktemp("straight") / "run").train()


@pytest.fixture
def copied(straight, tmp_path):
    """A copy of it to change, not evaluated yet."""
    shutil.copytree(
        straight.path, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation.*", "protocol.yaml", "reference-*")
    )
    return tmp_path / "run"


def test_the_run_is_what_a_file_with_the_same_settings_gives(straight, tmp_path):
    """But for the function, which a file names, and the data, which lies elsewhere."""
    config = straight.config.dump()
    config |= {"output": str(tmp_path / "run")}
    config["rewards"]["polite"] = {"type": "function", "function": f"{Path(__file__).with_name('for_files.py')}:polite"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    found = CliRunner().invoke(cli, ["train", str(tmp_path / "run.yaml")], catch_exceptions=False)
    assert f"{tmp_path / 'run' / 'adapter'}: the adapter." in found.output
    assert_same(RunFolder(straight.path), RunFolder(tmp_path / "run"))


def test_what_the_folder_says(straight):
    config = yaml.safe_load((straight.path / "config.yaml").read_text())
    given = config["rewards"]["polite"]
    assert (
        (given["type"], given["name"]) == ("given", "polite")
        and given["function"].endswith("small:polite")
        and given["source"]
    )
    assert Path(config["prompts"]["dataset"]).is_file() and "train_dataset-" in config["prompts"]["dataset"]
    assert "polite (" in (straight.path / "notes.log").read_text()
    assert straight.python_rewards == ["polite"] and "resumes with the functions polite" in repr(straight)
    assert straight.finished and straight.config.weights == {"polite": 0.5, "harmless": 0.5}


def test_metrics_and_samples_are_tables(straight):
    rows = RunFolder(straight.path).metrics()
    assert straight.metrics["iteration"].tolist() == [1, 2, 3]
    assert straight.metrics["reward/polite"].tolist() == [row["reward"]["polite"] for row in rows]
    samples = straight.samples
    assert len(samples) == 12 and list(samples.columns) == [
        "iteration",
        "prompt",
        "response",
        "raw/polite",
        "raw/harmless",
    ]
    assert samples["raw/polite"].tolist() == polite(samples["prompt"], samples["response"])


def test_the_policy_is_the_trained_model_and_without_its_adapter_the_first(straight, tiny_model):
    model, tokenizer = straight.policy("cpu")
    ids = tokenizer("sure", return_tensors="pt")["input_ids"]
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad(), model.disable_adapter():
        assert torch.allclose(model(ids).logits, base(ids).logits, atol=1e-5)
    with torch.no_grad():
        assert not torch.allclose(model(ids).logits, base(ids).logits, atol=1e-5)


def test_the_evaluation_is_that_of_the_command_line(straight):
    frame = straight.evaluate()
    changes = table.changes(pd.read_parquet(straight.path / "evaluation.parquet"))
    assert frame["objective"].tolist() == ["polite", "harmless"] and not frame["held_out"].any()
    for row, change in zip(frame.to_dict("records"), changes, strict=True):
        assert (row["before"], row["after"]) == (change.before.value, change.after.value)
        assert (row["difference_low"], row["difference_high"]) == (change.difference.low, change.difference.high)
        assert row["verdict"] == change.verdict and row["prompts"] == len(TEST)


def test_a_run_that_is_loaded_is_evaluated_with_its_functions_again(copied):
    run = lenity.load_run(copied)
    with pytest.raises(
        lenity.LenityError, match=r"reward_funcs\['polite'\] is the Python function .*small:polite.*reward_funcs="
    ):
        run.evaluate()
    with pytest.raises(
        lenity.LenityError, match=r"reward_funcs\['polite'\] is .*impolite.*and the run was made with .*small:polite"
    ):
        run.evaluate(reward_funcs={"polite": impolite})
    with pytest.raises(lenity.LenityError, match="reward_funcs is function"):
        run.evaluate(reward_funcs=polite)
    with pytest.raises(lenity.LenityError, match="reward_funcs has 'other'"):
        run.evaluate(reward_funcs={"other": polite})
    first = run.evaluate(reward_funcs={"polite": polite})
    assert run.evaluate().equals(first)
    assert lenity.load_run(copied).evaluate().equals(first)  # read from the folder, where nothing is left to score


def test_held_out_data_and_rewards_of_an_evaluation(copied):
    run = lenity.load_run(copied)
    more = {"held_out_rewards": {"brief": impolite}, "evaluation.limit": 5}
    frame = run.evaluate(reward_funcs={"polite": polite}, eval_dataset=TEST[:7], args=more)
    assert frame["objective"].tolist() == ["polite", "harmless", "brief"] and frame["held_out"].tolist() == [
        False,
        False,
        True,
    ]
    assert set(frame["prompts"]) == {5} and run.config.evaluation.limit == 5
    assert frame["after"][2] == -frame["after"][0]
    with pytest.raises(lenity.LenityError, match=r"args\['ppo.epochs'\] cannot be changed after training"):
        run.evaluate(args={"ppo.epochs": 9})


def test_stop_saves_and_the_rest_is_to_the_bit(straight, tiny_model, tmp_path, one_thread):
    rows = []
    stopped = trainer(tiny_model, tmp_path / "run", callbacks=[rows.append, stop_after(2)]).train()
    assert [row["iteration"] for row in rows] == [1, 2] and rows[0]["reward"].keys() == {"polite", "harmless"}
    assert not stopped.finished and len(stopped.metrics) == 2 and RunFolder(stopped.path).saved == 2
    assert "A callback ended the run after iteration 2 of 3" in (stopped.path / "notes.log").read_text()
    assert stopped.policy("cpu")[0] is not None and len(stopped.evaluate()) == 2
    resumed = trainer(tiny_model, tmp_path / "run").train(resume=True)
    assert resumed.finished
    assert_same(RunFolder(straight.path), RunFolder(resumed.path))


def test_an_exception_of_a_callback_is_raised_as_it_is_with_the_run_saved(tiny_model, tmp_path):
    class MineError(Exception):
        pass

    def fail(row):
        raise MineError("of the user")

    with pytest.raises(MineError, match="of the user"):
        trainer(tiny_model, tmp_path / "run", callbacks=[fail]).train()
    assert RunFolder(tmp_path / "run").saved == 1


def test_a_callback_may_be_an_object_and_must_return_what_is_known(tiny_model, tmp_path):
    class Watcher:
        def on_iteration(self, row):
            return "halt"

    with pytest.raises(lenity.LenityError, match=r"on_iteration returned 'halt'. Return lenity.STOP"):
        trainer(tiny_model, tmp_path / "run", callbacks=[Watcher()]).train()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, r"output '.*' already holds a run. Add resume=True to continue it, or choose another output."),
        (
            {"train_dataset": TRAIN[1:]},
            r"train_dataset was '.*' and is '.*'.*Resume with the same settings, add allow_changes=True",
        ),
        (
            {"reward_funcs": {"polite": impolite, "harmless": f"{tiny.__file__}:harmless"}},
            r"reward_funcs\['polite'\].function was",
        ),
        ({"args": {"ppo.epochs": 2}}, r"args\['ppo.epochs'\] was 1 and is 2"),
    ],
)
def test_a_run_goes_on_only_with_what_it_was_made_of(copied, tiny_model, changes, told):
    before = sorted(copied.rglob("*"))
    with pytest.raises(lenity.LenityError, match=told):
        trainer(tiny_model, copied, **changes).train(resume=bool(changes))
    assert [path for path in sorted(copied.rglob("*")) if path.name != "lock"] == [
        path for path in before if path.name != "lock"
    ]


@pytest.mark.parametrize("arguments", [("train", "config.yaml", "--resume", "--iterations", "4"), ("evaluate", ".")])
def test_the_command_line_says_that_the_run_was_made_in_python(copied, monkeypatch, arguments):
    monkeypatch.chdir(copied)
    options = ("--output", str(copied)) if arguments[0] == "train" else ()
    found = subprocess.run(
        [sys.executable, "-m", "lenity", *arguments, *options], check=False, capture_output=True, text=True, cwd=copied
    )
    lines = found.stderr.splitlines()
    assert found.returncode == 2 and len(lines) == 2, found.stderr
    assert (
        lines[0].startswith("error: reward 'polite' is the Python function")
        and "the run was made in Python." in lines[0]
    )
    assert lines[1].startswith("remedy: Go on there") and "type: function" in lines[1]


def test_a_loaded_model_is_copied_and_stays_as_it_is(straight, tiny_model, tmp_path, one_thread):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model), AutoTokenizer.from_pretrained(tiny_model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = trainer(model, tmp_path / "run", processing_class=tokenizer)
    run = made.train()
    assert (
        all(torch.equal(value, before[name]) for name, value in model.state_dict().items()) and model.training is False
    )
    assert not hasattr(model, "peft_config") and all(p.requires_grad for p in model.parameters())
    assert [p.name for p in (tmp_path / "run" / "inputs").iterdir() if p.is_dir()] == [
        Path(run.config.policy.model).name
    ]
    assert run.metrics["reward/polite"].tolist() == straight.metrics["reward/polite"].tolist()
    assert len(lenity.load_run(run.path).evaluate(reward_funcs={"polite": polite})) == 2  # the object is not needed
    with torch.no_grad():
        next(model.parameters()).add_(1)
    with pytest.raises(lenity.LenityError, match=r"model was '.*' and is '.*'"):
        trainer(model, tmp_path / "run", processing_class=tokenizer).train(resume=True)


def test_a_loaded_model_needs_its_tokenizer_and_no_adapter(tiny_model, tmp_path, straight):
    with pytest.raises(lenity.LenityError, match="processing_class is missing, but model is a loaded model"):
        trainer(AutoModelForCausalLM.from_pretrained(tiny_model), tmp_path / "run")
    with pytest.raises(lenity.LenityError, match=r"model is .* with an adapter of peft"):
        trainer(straight.policy("cpu")[0], tmp_path / "run", processing_class=AutoTokenizer.from_pretrained(tiny_model))


def test_a_run_of_the_command_line_is_read_too(tiny_model, tmp_path):
    folder = train(tiny.run_config(tiny_model, tmp_path / "run", iterations=1))
    run = lenity.load_run(folder.path)
    assert run.python_rewards == [] and run.finished and len(run.metrics) == 1
    frame = evaluate(folder)
    assert run.evaluate()["after"].tolist() == [change.after.value for change in table.changes(frame)]


def test_the_policy_of_a_run_that_has_nothing_is_refused(copied):
    for name in ("adapter", "checkpoints", "metrics.jsonl"):
        path = copied / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(lenity.LenityError, match="has neither an adapter nor a checkpoint yet"):
        lenity.load_run(copied).policy()
