"""Tables, page and Markdown from made-up run folders."""

import json

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from lenity.cli.report import command
from lenity.errors import CheckpointError, ProtocolError
from lenity.evaluation.table import changes, mean_kl
from lenity.report import collect
from lenity.report.comparison import compare, cost
from lenity.report.markdown import write_markdown
from made_up import write_run


def test_changes_and_verdicts(sweep):
    run = next(run for run in collect.read_runs(sweep) if run.method == "linear" and run.weights["a"] == 1)
    a, b = changes(run.frame)
    assert (a.objective, a.verdict, a.prompts) == ("a", "better", 30)
    assert a.difference.value == pytest.approx(1, abs=0.02)
    assert b.verdict == "no clear change" or abs(b.difference.value) < 0.02
    assert mean_kl(run.frame).value == pytest.approx(2)


def test_better_method_is_named_by_the_paired_interval(sweep):
    found = compare(collect.read_runs(sweep))
    linear, plc = found.methods
    assert (linear.method, plc.method, found.baseline) == ("linear", "plc", "linear")
    assert linear.value_over is None and plc.value_over.low > 0 and plc.volume_over.low > 0
    assert plc.volume.value > linear.volume.value


def test_cost_counts_each_training_once_and_follows_what_a_run_was_made_from(sweep):
    for at in ("a1", "a0"):
        folder = sweep / "runs" / "linear" / at
        row = {"iteration": 1, "tokens": 7, "reward_calls": 3, "backward_passes": 2, "forward_passes": 5}
        (folder / "metrics.jsonl").write_text(json.dumps(row | {"seconds": {"update": 1.5}, "reward": {}}) + "\n")
    made = sweep / "runs" / "plc" / "a1"
    (made / "metrics.jsonl").unlink()
    config = yaml.safe_load((made / "config.yaml").read_text())
    source = str(sweep / "runs" / "linear" / "a1")
    (made / "config.yaml").write_text(yaml.safe_dump(config | {"method": {"name": "mgda", "source": source}}))
    runs = collect.read_runs(sweep)
    linear = cost([run for run in runs if run.method == "linear"])
    assert (linear.runs, linear.tokens, linear.reward_calls, linear.seconds) == (2, 14, 6, 3.0)
    taken = cost([run for run in runs if run.path == made])
    assert (taken.runs, taken.tokens, taken.backward_passes) == (1, 7, 2)


def test_a_method_with_few_of_the_weights_is_not_compared(sweep):
    write_run(sweep / "runs" / "linear" / "c", "linear", {"a": 0.5, "b": 0.5}, {})
    write_run(sweep / "runs" / "plc" / "c", "plc", {"a": 0.5, "b": 0.5}, {})
    write_run(sweep / "runs" / "solo" / "a1", "solo", {"a": 1.0, "b": 0.0}, {})
    found = compare(collect.read_runs(sweep))
    assert [summary.method for summary in found.methods] == ["linear", "plc"] and len(found.weights) == 3


def test_other_prompts_are_refused(sweep):
    file = sweep / "runs" / "plc" / "a1" / "evaluation.parquet"
    frame = pd.read_parquet(file)
    frame[frame["prompt_id"] != "p000"].to_parquet(file)
    with pytest.raises(ProtocolError, match="other prompts"):
        compare(collect.read_runs(sweep))


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no evaluated run"):
        collect.read_runs(tmp_path)


def test_page_is_self_contained_and_escapes_samples(sweep):
    result = CliRunner().invoke(command, [str(sweep)], catch_exceptions=False)
    assert result.exit_code == 0
    page = (sweep / "report.html").read_text()
    assert "<script src=" not in page
    assert "<link" not in page
    assert "&lt;b&gt;rude&lt;/b&gt;" in page
    assert "<b>rude</b>" not in page


def test_markdown_has_figures_and_no_response_text(sweep):
    markdown = sweep / "docs" / "toy.md"
    CliRunner().invoke(command, [str(sweep), "--markdown", str(markdown)], catch_exceptions=False)
    text = markdown.read_text()
    assert "rude" not in text
    assert "| plc · a1 | a | 1 |" in text
    assert (markdown.parent / "toy_reward.svg").is_file()
    assert (markdown.parent / "toy_kl.svg").is_file()


def test_samples_can_be_left_out(sweep):
    CliRunner().invoke(command, [str(sweep), "--no-samples"], catch_exceptions=False)
    assert "&lt;b&gt;rude" not in (sweep / "report.html").read_text()


def test_markdown_reports_the_reward_models_with_their_intervals(sweep):
    report = {"accuracy": 0.7, "accuracy_interval": [0.65, 0.75], "held_out_rows": 321, "longer_wins": 0.6}
    report |= {"score_mean": 1.0, "score_std": 2.0, "saturation": 0.125}
    (sweep / "reward").mkdir()
    (sweep / "reward" / "report.json").write_text(json.dumps(report))
    for file in sweep.rglob("config.yaml"):
        data = yaml.safe_load(file.read_text())
        data["rewards"]["a"] = {"kind": "model", "model": str(sweep / "reward")}
        file.write_text(yaml.safe_dump(data))
    text = write_markdown(sweep, sweep / "page.md").read_text()
    assert "| a | 0.700 [0.650, 0.750] | 321 | 0.600 | 1.000 | 2.000 | 0.125 |" in text
