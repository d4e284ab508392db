"""Names of runs: by their label or method and the settings in which they differ, as they are now."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from lenity.cli.report import command
from lenity.errors import CheckpointError
from lenity.report.collect import read_runs
from lenity.report.coverage import left_out
from lenity.report.evidence import gather
from lenity.report.labels import names
from made_up import write_judge, write_run

WEIGHTS = {"a": 0.5, "b": 0.5}


def write(folder, method="plc", seed=0, leniency=1.0, **changes):
    """A run whose configuration has ``changes``, by section."""
    write_run(folder, method, WEIGHTS, {"a": 0.3, "b": 0.1}, varied=True, seed=seed)
    file = folder / "config.yaml"
    config = yaml.safe_load(file.read_text()) | {"output": str(folder), "seed": seed}
    config |= {
        "method": {"name": method, "leniency": leniency},
        "optimizer": {"learning_rate": 1e-5},
        "ppo": {"clip": 0.2},
    } | changes
    file.write_text(yaml.safe_dump(config))
    return folder


def rate(value):
    return {"optimizer": {"learning_rate": value}}


def titles(*folders):
    return [run.method for run in read_runs(*folders)]


def test_runs_that_differ_in_one_setting_are_named_by_it(tmp_path):
    low, high = write(tmp_path / "low"), write(tmp_path / "high", **rate(1e-3))
    assert titles(low, high) == ["plc, learning_rate 1e-5", "plc, learning_rate 0.001"]
    result = CliRunner().invoke(
        command, [str(low), str(high), "--output", str(tmp_path / "new"), "--markdown", str(tmp_path / "page.md")],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0
    for text in ((tmp_path / "new" / "report.html").read_text(), (tmp_path / "page.md").read_text()):
        assert "plc, learning_rate 1e-5" in text and "plc, learning_rate 0.001" in text
    assert not (low / "report.html").exists()


def test_runs_that_differ_in_several_settings_are_named_by_all_while_they_are_few(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two", **rate(1e-3), ppo={"clip": 0.1})
    assert titles(one, two) == ["plc, learning_rate 1e-5, clip 0.2", "plc, learning_rate 0.001, clip 0.1"]


def test_many_settings_are_cut_in_the_name_and_whole_in_the_page():
    found = [{f"s.field{i}": i * n for i in range(1, 7)} for n in (1, 2)]
    short, long = names(["plc", "plc"], found)
    assert short == ["plc, field1 1 + 5 more", "plc, field1 2 + 5 more"]
    assert long[1] == "s.field1 2, s.field2 4, s.field3 6, s.field4 8, s.field5 10, s.field6 12"


@pytest.mark.parametrize(
    "changes",
    [
        {"logging": {"samples": 3}}, {"checkpoint": {"every": 7}}, {"tolerance": {"silence": 9}}, {"evaluation": {"batch_size": 3}},
        {"preset": "paper"}, {"standardisation": {"file": "elsewhere.json"}}, {"policy": {"model": "/elsewhere/model"}},
    ],
)  # fmt: skip
def test_settings_that_train_the_same_make_no_name(tmp_path, changes):
    one, two = write(tmp_path / "one"), write(tmp_path / "two", seed=1, **changes)
    assert titles(one, two) == ["plc", "plc"]


def test_runs_that_differ_in_seed_alone_are_seeds_of_one(tmp_path):
    folders = [
        write(tmp_path / f"{n}{seed}", seed=seed, **rate(value))
        for seed in (0, 1)
        for n, value in (("x", 1e-5), ("y", 1e-3))
    ]
    found = gather(folders, output=tmp_path).main
    assert found.seeds == [0, 1] and len(found.methods) == 2


def test_settings_of_the_method_and_settings_that_one_run_has_alone_are_named(tmp_path):
    one = write(tmp_path / "one", method="plc")
    two = write(tmp_path / "two", leniency=0.5)
    three = write(tmp_path / "three", reward_noise={"share": 0.1})
    assert titles(one, two, three) == ["plc, leniency 1", "plc, leniency 0.5", "plc, leniency 1, share 0.1"]


def test_a_name_is_as_long_as_it_must_be_to_be_clear():
    found = [
        {"policy.lora.r": 8, "kl.kind": "fixed", "reward.kind": "x"},
        {"policy.lora.r": 16, "kl.kind": "adaptive", "reward.kind": "x"},
    ]
    assert names(["p", "p"], found)[0] == ["p, lora.r 8, kl.kind fixed", "p, lora.r 16, kl.kind adaptive"]


def test_values_that_read_alike_are_still_told_apart():
    found = [{"prompts.path": "/x/train.jsonl"}, {"prompts.path": "/y/train.jsonl"}]
    first, second = names(["p", "p"], found)[0]
    assert first != second


def test_a_label_is_kept_and_one_changed_later_counts_at_once(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two", **rate(1e-3))
    label(two, "fast")
    assert titles(one, two) == ["plc", "fast"], "the evaluation still says plc"
    label(two, "faster")
    assert titles(one, two) == ["plc", "faster"]
    assert [one.method for one in gather([one, two], output=tmp_path).main.methods] == ["plc", "faster"]


def label(folder, text):
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["method"]["label"] = text
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_one_label_of_two_settings_or_methods_is_told_apart_and_said(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two", method="linear")
    for folder in (one, two):
        label(folder, "mine")
    assert titles(one, two) == ["mine, method.name plc", "mine, method.name linear"]
    (sign,) = (sign for sign in left_out(gather([one, two], output=tmp_path)) if "One label" in sign.what)
    assert sign.where == "mine: mine, method.name plc; mine, method.name linear"


def test_the_same_run_named_twice_counts_once_and_a_copy_is_refused(tmp_path):
    one = write(tmp_path / "one")
    assert titles(one, one, tmp_path) == ["plc"]
    two = write(tmp_path / "two")
    with pytest.raises(CheckpointError, match=r"are both plc · a0\.5 b0\.5 with seed 0"):
        read_runs(one, two)


@pytest.mark.parametrize(("other", "views"), [(0.0, 2), (1.0, 1)])
def test_scores_of_two_judges_are_left_out_and_said(tmp_path, other, views):
    """The second folder was judged as the first was, or otherwise."""
    folders = []
    for number, value in enumerate((1e-5, 1e-3)):
        folders.append(tmp_path / f"sweep{number}")
        write(folders[-1] / "runs" / "plc" / "a", **rate(value))
        write_judge(folders[-1], lambda *_: 1.0)
    table = pd.read_parquet(folders[1] / "judge.parquet")
    table.assign(score=table["score"] + other).to_parquet(folders[1] / "judge.parquet")
    evidence = gather(folders, output=tmp_path)
    assert len(evidence.comparisons) == views
    told = [sign.where for sign in left_out(evidence) if sign.what == "The judge's scores are left out"]
    assert len(told) == 2 - views and all("sweep0" in where and "sweep1" in where for where in told)
