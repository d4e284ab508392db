"""Tables, page and Markdown from made-up run folders."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from lenity.cli.report import command
from lenity.errors import CheckpointError, ProtocolError
from lenity.evaluation.protocol import Prompts, Protocol
from lenity.evaluation.table import changes, mean_kl
from lenity.report import collect, page, tables
from lenity.report.collect import View
from lenity.report.comparison import compare
from lenity.report.cost import cost
from lenity.report.coverage import Sign
from lenity.report.evidence import gather
from lenity.report.figures import draw, smooth
from lenity.report.markdown import write_markdown
from lenity.report.panels import record
from lenity.report.panels.record import protocol
from lenity.report.scores import Scores
from made_up import write_run


def test_changes_and_verdicts(sweep):
    run = next(run for run in collect.read_runs(sweep) if run.method == "linear" and run.weights["a"] == 1)
    a, b = changes(run.frame)
    assert (a.objective, a.verdict, a.prompts) == ("a", "better", 30)
    assert a.difference.value == pytest.approx(1, abs=0.02)
    assert b.verdict == "no clear change" or abs(b.difference.value) < 0.02
    assert mean_kl(run.frame).value == pytest.approx(2)


TRAINED = View("trained rewards", {"a": "a", "b": "b"})


def compared(folder, view=TRAINED, **options):
    return compare(collect.read_runs(folder), view, draws=200, **options)


def test_better_method_is_named_by_the_paired_interval(sweep):
    found = compared(sweep)
    linear, plc = found.methods
    assert (linear.method, plc.method, found.baseline) == ("linear", "plc", "linear")
    assert not linear.over and plc.over["scalarised value"].low > 0 and plc.over["hypervolume"].low > 0
    assert plc.metrics["hypervolume"].value > linear.metrics["hypervolume"].value
    assert plc.over["regret"].high < 0 and linear.metrics["IGD"].value > plc.metrics["IGD"].value == 0


def test_the_nadir_rule_takes_the_lowest_means_of_all_runs(sweep):
    fixed, nadir = compared(sweep), compared(sweep, rule="nadir")
    means = [run.scores(["a", "b"]).mean(0) for run in collect.read_runs(sweep)]
    assert nadir.reference == pytest.approx(np.min(means, axis=0).tolist()) and nadir.reference != fixed.reference
    start = collect.read_runs(sweep)[0].scores(["a", "b"], "reference").mean(0)
    assert fixed.reference == pytest.approx((start - 1).tolist())


def judge(folder, missing=()):
    """Scores of every response: 5 for the reference policy's, 6 or 7 for the aligned ones'."""
    rows = []
    for run in collect.read_runs(folder):
        each = run.frame.drop_duplicates(["policy", "prompt_id"])
        for prompt, response, policy in zip(each["prompt_id"], each["response"], each["policy"], strict=True):
            for objective in ("a", "b"):
                score = float("nan") if prompt in missing else 5.0 + (policy == "aligned") + int(prompt[1:]) % 2
                rows.append({"prompt_id": prompt, "response": response, "objective": objective, "score": score})
    pd.DataFrame(rows).drop_duplicates(["prompt_id", "response", "objective"]).to_parquet(folder / "judge.parquet")


def distinct_responses(folder):
    for file in folder.rglob("evaluation.parquet"):
        frame = pd.read_parquet(file)
        frame["response"] = frame["policy"] + " " + frame["prompt_id"]
        frame.to_parquet(file)


def test_a_judge_is_one_more_view_and_prompts_without_its_score_are_left_out_for_all(sweep):
    distinct_responses(sweep)
    judge(sweep, missing=("p003",))
    evidence = gather(sweep)
    assert [found.view.name for found in evidence.comparisons] == ["trained rewards", "judge"]
    found = evidence.comparisons[1]
    assert (found.prompts, found.missing) == (29, 1)
    assert found.points[0].rewards["a"].value == pytest.approx(found.start["a"].value + 1)
    assert "1 more prompts lack a score" in tables.note(found)


def test_the_report_names_the_judge_and_does_not_call_unasked_prompts_missing(sweep):
    distinct_responses(sweep)
    judge(sweep, missing=("p003",))
    table = pd.read_parquet(sweep / "judge.parquet")
    table[table["prompt_id"] < "p020"].to_parquet(sweep / "judge.parquet")
    told = {
        "model": "judge-7b",
        "endpoint": "https://private.example.org/v1",
        "rubrics": {"a": "5" * 64, "b": "6" * 64},
    }
    told |= dict.fromkeys(record.JUDGE_SETTINGS) | {
        "limit": 20,
        "repeats": 3,
        "calls": 88,
        "from_cache": 2,
        "missing_scores": 8,
    }
    told |= {"questions": 400, "parse_failure_rate": {"value": 0.025, "low": 0.01, "high": 0.05}}
    (sweep / "judge.json").write_text(json.dumps(told))
    evidence = gather(sweep)
    found = evidence.comparisons[1]
    assert (found.prompts, found.missing, found.unasked) == (19, 1, 10)
    assert "1 more prompts lack a score and are left out. 10 more were not judged (limit 20)." in tables.note(found)
    terms = dict(protocol(evidence))
    assert terms["Judge"] == "judge-7b, on another machine, over https"
    assert told["rubrics"]["a"] in terms["Judge's rubrics"] and terms["Judge's questions"] == "repeats 3, limit 20"
    assert (
        terms["Judge's answers"] == "2.5 % [1.0, 5.0] of 90 were no integer from 0 to 10; 8 of 400 scores are missing"
    )
    assert "reference policy" in terms["Judge's scores"]


def test_held_out_rewards_that_measure_every_objective_come_first(sweep):
    for file in sweep.rglob("config.yaml"):
        weights = json.loads(pd.read_parquet(file.parent / "evaluation.parquet")["weights"][0])
        method = file.parent.parent.name
        shutil.rmtree(file.parent)
        write_run(file.parent, method, weights, {}, held_out=("a_exact", "b_exact"))
        config = yaml.safe_load(file.read_text())
        config["held_out_rewards"] = {f"{name}_exact": {"type": "function", "measures": name} for name in "ab"}
        file.write_text(yaml.safe_dump(config))
    evidence = gather(sweep)
    assert evidence.main.view.columns == {"a": "a_exact", "b": "b_exact"} and len(evidence.comparisons) == 2


def test_runs_of_another_protocol_are_refused_by_the_field(sweep):
    first, second = (sweep / "runs" / name / "a1" for name in ("plc", "linear"))
    made = Protocol(prompts=Prompts(count=30, sha256="x"), decoding={"top_p": 0.9}, rewards={}, standardisation={})
    made.save(first)
    made.model_copy(update={"decoding": {"top_p": 1.0}}).save(second)
    with pytest.raises(ProtocolError, match=r"differ in decoding.top_p: (0.9 and 1.0|1.0 and 0.9)"):
        compared(sweep)


def test_cost_counts_each_training_once_and_follows_what_a_run_was_made_from(sweep):
    for at in ("a1", "a0"):
        folder = sweep / "runs" / "linear" / at
        row = {"iteration": 1, "tokens": 7, "reward_calls": 3, "backward_passes": 2, "forward_passes": 5}
        (folder / "metrics.jsonl").write_text(json.dumps(row | {"seconds": {"update": 1.5}, "reward": {}}) + "\n")
    made = sweep / "runs" / "plc" / "a1"
    (made / "metrics.jsonl").unlink()
    config = yaml.safe_load((made / "config.yaml").read_text())
    source = str(sweep / "runs" / "linear" / "a1")
    (made / "config.yaml").write_text(yaml.safe_dump(config | {"method": {"type": "mgda", "source": source}}))
    runs = collect.read_runs(sweep)
    linear = cost([run for run in runs if run.method == "linear"])
    assert (linear.runs, linear.tokens, linear.reward_calls, linear.seconds) == (2, 14, 6, 3.0)
    taken = cost([run for run in runs if run.path == made])
    assert (taken.runs, taken.tokens, taken.backward_passes) == (1, 7, 2)


def test_a_method_with_few_of_the_weights_is_not_compared(sweep):
    write_run(sweep / "runs" / "linear" / "c", "linear", {"a": 0.5, "b": 0.5}, {})
    write_run(sweep / "runs" / "plc" / "c", "plc", {"a": 0.5, "b": 0.5}, {})
    write_run(sweep / "runs" / "solo" / "a1", "solo", {"a": 1.0, "b": 0.0}, {})
    found = compared(sweep)
    assert [summary.method for summary in found.methods] == ["linear", "plc"] and len(found.weights) == 3


def test_other_prompts_are_refused(sweep):
    file = sweep / "runs" / "plc" / "a1" / "evaluation.parquet"
    frame = pd.read_parquet(file)
    frame[frame["prompt_id"] != "p000"].to_parquet(file)
    with pytest.raises(ProtocolError, match="other prompts"):
        compared(sweep)


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="holds no evaluated run"):
        collect.read_runs(tmp_path)


def test_page_is_self_contained_and_escapes_samples(sweep):
    result = CliRunner().invoke(command, [str(sweep)], catch_exceptions=False)
    assert result.exit_code == 0
    page = (sweep / "report.html").read_text()
    assert "<script src=" not in page
    assert "<link" not in page
    assert r"\u003cb\u003erude\u003c/b\u003e" in page
    assert tables.PASSES in page
    assert "<b>rude</b>" not in page


def test_markdown_has_figures_and_no_response_text(sweep):
    markdown = sweep / "docs" / "toy.md"
    CliRunner().invoke(command, [str(sweep), "--markdown", str(markdown)], catch_exceptions=False)
    text = markdown.read_text()
    assert "rude" not in text and tables.PASSES in text
    assert "| plc · a1 | a | 1 |" in text
    assert (markdown.parent / "toy_reward.svg").is_file()
    assert (markdown.parent / "toy_kl.svg").is_file()


def test_samples_can_be_left_out(sweep):
    CliRunner().invoke(command, [str(sweep), "--no-samples"], catch_exceptions=False)
    assert r"\u003cb\u003erude" not in (sweep / "report.html").read_text()


def test_markdown_reports_the_reward_models_with_their_intervals(sweep):
    report = {"accuracy": 0.7, "accuracy_interval": [0.65, 0.75], "held_out_rows": 321, "longer_wins": 0.6}
    report |= {"score_mean": 1.0, "score_std": 2.0, "saturation": 0.125}
    (sweep / "reward").mkdir()
    (sweep / "reward" / "report.json").write_text(json.dumps(report))
    for file in sweep.rglob("config.yaml"):
        data = yaml.safe_load(file.read_text())
        data["rewards"]["a"] = {"type": "model", "model": str(sweep / "reward")}
        file.write_text(yaml.safe_dump(data))
    text = write_markdown(gather(sweep), sweep / "page.md").read_text()
    assert "| a | 0.700 [0.650, 0.750] | 321 | 0.600 | 1.000 | 2.000 | 0.125 |" in text


def test_metrics_that_diverged_or_end_in_a_cut_line_leave_gaps(sweep):
    for file in sweep.rglob("metrics.jsonl"):
        lines = (
            file.read_text().replace('"kl": 1.0', '"kl": Infinity', 2).replace('"a": 0.5', '"a": NaN', 1).splitlines()
        )
        file.write_text("\n".join(lines)[:-9])
    result = CliRunner().invoke(command, [str(sweep), "--markdown", str(sweep / "page.md")], catch_exceptions=False)
    assert result.exit_code == 0 and (sweep / "report.html").is_file()
    (kl,) = [figure for figure in draw(gather(sweep), Scores.of(gather(sweep))).figures if figure.name == "training-kl"]
    assert kl.choices[0].data[0]["y"] == [None, None, 1.0, 1.0], "the fifth line is cut"


def test_smoothing_goes_on_after_a_gap():
    assert smooth([2.0, float("nan"), 4.0])[::2] == [2.0, pytest.approx(smooth([2.0, 4.0])[1])]


def test_the_summary_names_each_kind_of_warning_once(sweep, monkeypatch):
    found = [
        Sign("Length drifts", "plc", "Look."),
        Sign("Length drifts", "linear", "Look."),
        Sign("KL is large", "plc", "Look."),
    ]
    monkeypatch.setattr(page.warnings, "signs", lambda *_: found)
    text = page.write_page(gather(sweep)).read_text()
    assert "3 warnings</a>: length drifts; KL is large.</p>" in text
