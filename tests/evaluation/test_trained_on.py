"""Held-out prompts that are training prompts: left out and counted, or refused."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

import tiny
from lenity.cli.doctor import command as doctor
from lenity.cli.evaluate import command
from lenity.config.load import parse
from lenity.data.seen import same, seen
from lenity.errors import ConfigError, DataError
from lenity.evaluation import protocol
from lenity.evaluation.folder import evaluate_all
from lenity.evaluation.score import evaluate
from lenity.evaluation.trained import Trained
from lenity.methods import train
from lenity.report.collect import read_runs
from lenity.report.evidence import gather
from lenity.report.markdown import write_markdown
from lenity.report.page import write_page
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder, save_config
from lenity.sweep import tasks

TRAINED = [f"Tell me {i} things" for i in range(10)]
FRESH = [f"Name {i} more things" for i in range(6)]


def write(file, prompts, column="prompt"):
    file.write_text("".join(json.dumps({column: prompt}) + "\n" for prompt in prompts))
    return {"type": "columns", "dataset": str(file), "prompt": column}


def settings(model, folder, held_out, **changes):
    trained = write(folder / "train.jsonl", TRAINED)
    return tiny.run_config(
        model, folder / "run", iterations=1, prompts=trained, held_out_prompts=held_out, standardisation={"prompts": 8}, **changes
    )  # fmt: skip


@pytest.fixture
def run(tiny_model, tmp_path):
    """Three of nine held-out prompts are trained on, one of them twice in other white space; one more row repeats."""
    held_out = [*FRESH, FRESH[0], TRAINED[0], f"  {TRAINED[1]}\n", TRAINED[2].replace(" ", "  ")]
    return train(settings(tiny_model, tmp_path, write(tmp_path / "held_out.jsonl", held_out)))


def answered(frame):
    return {prompt.removeprefix("\n\nHuman: ").removesuffix("\n\nAssistant:") for prompt in frame["prompt"]}


def test_they_are_left_out_counted_and_told(run, tmp_path):
    result = CliRunner().invoke(command, [str(run.path)], catch_exceptions=False)
    assert "3 of the held-out prompts are among the training prompts; they are left out." in result.output
    assert answered(pd.read_parquet(run.path / "evaluation.parquet")) == set(FRESH)
    assert protocol.load(run.path).prompts.count == 6 and protocol.load(run.path).trained_on == 3
    note = json.loads((run.path / "evaluation.json").read_text())["held_out"]
    assert note["read"] == 10 and note["dropped"] == {"repeated": 1, "among the training prompts": 3}
    again = CliRunner().invoke(command, [str(run.path)], catch_exceptions=False)
    assert "3 of the held-out prompts" in again.output, "also where the rows are known"
    evidence = gather(run.path)
    assert "3 of the held-out prompts" in write_page(evidence).read_text()
    assert "3 of the held-out prompts" in write_markdown(evidence, tmp_path / "page.md").read_text()


def test_strict_refuses_them_before_anything_is_answered(run):
    for _ in range(2):
        with pytest.raises(DataError, match=r"3 of the prompts of held_out_prompts .* are among the training prompts"):
            CliRunner().invoke(command, [str(run.path), "--strict"], catch_exceptions=False)
        assert not list(run.path.glob("reference-*.parquet")) or (run.path / "evaluation.parquet").is_file()
        evaluate(run)  # the second time, the rows are known


def test_a_clean_set_passes_strict(tiny_model, tmp_path):
    run = train(settings(tiny_model, tmp_path, write(tmp_path / "held_out.jsonl", FRESH)))
    result = CliRunner().invoke(command, [str(run.path), "--strict"], catch_exceptions=False)
    assert result.exit_code == 0 and "training prompts" not in result.output
    assert protocol.load(run.path).trained_on == 0


def test_prompts_that_training_left_out_count_as_trained_on(tiny_model, tmp_path):
    """``prompts.limit`` and the length windows choose from the set; all of the set is kept out of the evaluation."""
    held_out = write(tmp_path / "held_out.jsonl", [*FRESH, TRAINED[9]])
    config = settings(tiny_model, tmp_path, held_out)
    run = train(config.model_copy(update={"prompts": config.prompts.model_copy(update={"limit": 8})}))
    assert answered(evaluate(run)) == set(FRESH)


def test_a_set_that_is_all_trained_on_is_refused(tiny_model, tmp_path):
    shutil.copy(write(tmp_path / "train.jsonl", TRAINED)["dataset"], tmp_path / "copy.jsonl")
    for file in ("train.jsonl", "copy.jsonl"):
        config = settings(
            tiny_model, tmp_path, {"type": "columns", "dataset": str(tmp_path / file)}, logging={"progress": False}
        )
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        run = train(config)
        with pytest.raises(DataError, match=r"all of the 10 are among the training data"):
            evaluate(run)


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_two_split_names_of_one_file_are_refused_at_the_start(tiny_model, tmp_path, link):
    held_out = write(tmp_path / "train.jsonl", TRAINED) | {"split": "test"}
    if link:
        link(held_out["dataset"], tmp_path / "other.jsonl")
        held_out["dataset"] = str(tmp_path / "other.jsonl")
    config = settings(tiny_model, tmp_path, held_out)
    with pytest.raises(
        ConfigError, match=r"held_out_prompts.split is 'test' and prompts.split 'train', but .* is one file"
    ):
        train(config)
    with pytest.raises(ConfigError, match="is one file"):
        tasks.prepare(config.dump(), str(tmp_path / "sweep"))
    save_config(tmp_path, config)
    with pytest.raises(ConfigError, match="is one file"):
        CliRunner().invoke(doctor, [str(tmp_path / "config.yaml")], catch_exceptions=False)


def test_a_run_that_was_trained_so_is_not_evaluated_so(run):
    config = run.config
    held_out = config.prompts.model_copy(update={"split": "test"})
    with pytest.raises(ConfigError, match="is one file"):
        evaluate(run, config.model_copy(update={"held_out_prompts": held_out}))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_slices_of_one_file_are_disjoint_and_those_that_overlap_are_counted(tiny_model, tmp_path, suffix):
    file = tmp_path / f"all.{suffix}"
    frame = pd.DataFrame({"prompt": TRAINED})
    {
        "jsonl": lambda: write(file, TRAINED),
        "csv": lambda: frame.to_csv(file),
        "parquet": lambda: frame.to_parquet(file),
    }[suffix]()
    source = {"type": "columns", "dataset": str(file)}
    config = settings(tiny_model, tmp_path, source | {"split": "train[60%:]"})
    config = parse(RunConfig, config.dump() | {"prompts": source | {"split": "train[:80%]"}})
    assert config.prompts.texts()[0] == [f"\n\nHuman: {text}\n\nAssistant:" for text in TRAINED[:8]]
    frame = evaluate(train(config))
    assert answered(frame) == set(TRAINED[8:]) and protocol.load(tmp_path / "run").trained_on == 2


def test_a_slice_that_is_none_is_refused(tmp_path):
    source = write(tmp_path / "train.jsonl", TRAINED) | {"split": "train[:x]"}
    with pytest.raises(DataError, match=r"split is 'train\[:x\]', which is not a valid slice"):
        tiny.run_config("m", tmp_path, prompts=source).prompts.read()


def test_training_prompts_that_are_gone_are_told_and_strict_refuses(run, tmp_path):
    (tmp_path / "train.jsonl").rename(tmp_path / "away.jsonl")
    result = CliRunner().invoke(command, [str(run.path)], catch_exceptions=False)
    assert result.exit_code == 0 and "training prompts: the training prompts could not be read" in result.output
    assert protocol.load(run.path).trained_on is None
    with pytest.raises(DataError, match=r"cannot be compared with the training prompts: '.*train.jsonl' not found"):
        evaluate(run, strict=True)
    (tmp_path / "away.jsonl").rename(tmp_path / "train.jsonl")
    assert answered(evaluate(run)) == set(FRESH), "measured again once they are back"
    (tmp_path / "train.jsonl").unlink()
    assert answered(evaluate(run)) == set(FRESH), "what was found out stays"
    assert protocol.load(run.path).trained_on == 3


def test_runs_that_are_compared_leave_out_what_any_was_trained_on(tiny_model, tmp_path):
    held_out = write(tmp_path / "held_out.jsonl", [*FRESH, TRAINED[0]])
    constants = {"prompts": 8}
    for name, prompts in (("a", TRAINED), ("b", FRESH[:2] + ["Sing"] * 2)):
        source = write(tmp_path / f"{name}.jsonl", prompts)
        weights = {"helpful": 1.0, "harmless": 0.0} if name == "a" else {"helpful": 0.0, "harmless": 1.0}
        output = tmp_path / "runs" / name
        train(
            tiny.run_config(
                tiny_model, output, iterations=1, prompts=source, held_out_prompts=held_out, weights=weights, standardisation=constants
            )
        )  # fmt: skip
        constants = {"file": str(tmp_path / "runs" / "a" / "standardisation.json")}
    found = evaluate_all(tmp_path / "runs")
    assert found.trained_on == 3 and found.prompts.count == 4
    frames = [answered(part.frame) for part in read_runs(tmp_path / "runs")]
    assert frames == [set(FRESH[2:])] * 2


def test_pairs_that_a_method_learns_from_are_trained_on(tiny_model, tmp_path):
    pairs = tmp_path / "pairs.jsonl"
    form = "\n\nHuman: {}\n\nAssistant: {}"
    pairs.write_text(
        json.dumps({"chosen": form.format(FRESH[0], "yes"), "rejected": form.format(FRESH[0], "no")}) + "\n"
    )
    method = {"type": "ric", "offline": {"pairs": {"dataset": str(pairs)}}}
    config = settings(tiny_model, tmp_path, write(tmp_path / "held_out.jsonl", FRESH), method=method)
    prompts, _ = config.held_out_prompts.texts()
    known, unread = Trained.of([config]).among(prompts)
    assert (len(known), unread) == (1, [])
    assert Trained.parse(Trained.of([config]).dump()) == Trained.of([config, config])


@pytest.mark.parametrize(("strict", "level", "status"), [(False, "warning", None), (True, "problem", 1)])
def test_the_doctor_counts_them(run, tmp_path, strict, level, status):
    file = tmp_path / "found.json"
    arguments = [
        str(run.path / "config.yaml"),
        "--prompts",
        "8",
        "--json",
        str(file),
        *(["--strict"] if strict else []),
    ]
    result = CliRunner().invoke(doctor, arguments, catch_exceptions=False)
    found = json.loads(file.read_text())
    assert found["figures"]["held_out"] == {"prompts": 9, "trained_on": 3, "repeated": 1, "unread": []}
    finding = next(one for one in found["findings"] if one["about"] == "held-out prompts")
    assert finding["level"] == level and finding["text"].startswith("3 of 9 are among the training prompts")
    assert "held-out prompts: 9, of which 3 are training prompts" in result.output
    assert status is None or result.exit_code == status


def test_a_sweep_leaves_out_what_any_of_its_methods_learns_from(tiny_model, tmp_path):
    """One task of a sweep is evaluated as if it knew the data of the others, also where that came with a later call."""
    config = settings(tiny_model, tmp_path, write(tmp_path / "held_out.jsonl", FRESH))
    output = tmp_path / "sweep"
    output.mkdir()
    Trained.of([config]).share(output)
    other = config.model_copy(update={"prompts": columns(tmp_path, FRESH[:2])})
    Trained.of([other]).share(output)
    constants = {"file": str(output / "standardisation.json"), "prompts": 8}
    one = parse(RunConfig, config.dump() | {"output": str(output / "runs" / "one"), "standardisation": constants})
    tasks.prepare(one.dump(), str(output))
    tasks.align(one.dump(), str(output))
    run = RunFolder(output / "runs" / "one")
    assert answered(pd.read_parquet(run.path / "evaluation.parquet")) == set(FRESH[2:])
    assert len(list(output.glob("reference-*.parquet"))) == 1, "shared"
    assert evaluate_all(output).trained_on == 2


def columns(folder, prompts):
    return tiny.run_config("m", folder, prompts=write(folder / "other.jsonl", prompts)).prompts


@pytest.mark.parametrize(
    "again", ["TELL me 0 Things", "Ｔell me 0 things", "Tell\u200b me\u00a00 things\ufeff", "Te\u00adll me 0 things"]
)
def test_a_prompt_that_only_looks_different_is_the_same(again):
    other = "Tell me 1 things", "Tell me 0 thin gs"
    assert seen([f"\n\nHuman: {again}\n\nAssistant:", *other], [f"\n\nHuman: {TRAINED[0]}\n\nAssistant:"]) == {
        same(f"\n\nHuman: {TRAINED[0]}\n\nAssistant:")
    }
