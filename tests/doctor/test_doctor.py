"""The doctor on real, tiny models."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import tiny
from lenity.cli.main import cli
from lenity.data.human_assistant import as_prompt
from lenity.doctor.findings import judge
from lenity.doctor.measure import measure
from lenity.doctor.texts import measure_prompts

BAD = Path(__file__).with_name("bad_rewards.py")


def test_a_healthy_toy_run_has_no_problem(small_world, tmp_path):
    names = ("helpful", "harmless", "humorous")
    changes = {
        "rewards": {name: {"type": "toy", "preference": name} for name in names},
        "weights": {"helpful": 0.5, "harmless": 0.5, "humorous": 0},
        "rollout": {"batch_size": 32, "max_new_tokens": 12},
        "prompts": {"type": "toy", "count": 90},
        "held_out_rewards": {"model": {"type": "model", "model": str(small_world.rewards["helpful"])}},
    }
    figures = measure(tiny.run_config(small_world.policy, tmp_path / "run", **changes), 64)
    assert [found for found in judge(figures) if found.level == "problem"] == []
    assert not (tmp_path / "run").exists()
    assert figures.responses.count == 64 and len(figures.correlations) == 3
    assert figures.conflict.rate > 0.05 and 0 < figures.conflict.objective_scale < 1
    assert set(figures.tokenizers) == {"policy", "model"}, "held-out rewards read texts too"
    assert figures.tokenizers["policy"].round_trip == 1 and figures.tokenizers["policy"].unknown == 0
    assert figures.cost.seconds > 0 and figures.cost.rows == 3


def test_the_longest_prompt_is_that_of_all():
    def tokenizer(text, **settings):
        return {"input_ids": text.split()}

    report = SimpleNamespace(read=5001, kept=5001, dropped={})
    world = SimpleNamespace(
        tokenizer=tokenizer,
        report=report,
        prompts=[as_prompt(text) for text in ["short"] * 2501 + ["long " * 90] + ["short"] * 2499],
    )
    found = measure_prompts(world, 100)
    assert (found.lengths["median"], found.lengths["longest"]) == (1, 90)


@pytest.fixture
def faulty(tiny_model, tmp_path):
    """Prompts of words that the tokenizer does not know, and rewards with a fault each."""
    rows = [{"prompt": f"Wie backe ich Brot Nummer {i}?" + " sehr" * (i % 9)} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rewards = {name: {"type": "function", "function": f"{BAD}:{name}"} for name in ("words", "words_too", "not_many")}
    changes = {
        "rewards": rewards,
        "weights": dict.fromkeys(rewards, 1 / 3),
        "prompts": {"type": "columns", "dataset": str(tmp_path / "rows.jsonl"), "max_tokens": 12},
    }
    file = tmp_path / "run.yaml"
    file.write_text(json.dumps(tiny.run_config(tiny_model, tmp_path / "run", **changes).dump()))
    return file


def test_the_command_names_each_fault_and_ends_with_1(faulty, tmp_path):
    command = [
        "doctor",
        str(faulty),
        "--prompts",
        "16",
        "--json",
        str(tmp_path / "all.json"),
        "--rollout.max_new_tokens",
        "8",
    ]
    found = CliRunner().invoke(cli, command)
    assert found.exit_code == 1, found.output
    report = json.loads((tmp_path / "all.json").read_text())
    levels = {finding["about"]: finding["level"] for finding in report["findings"]}
    assert levels["tokenizer of policy"] == "problem" and levels["prompts"] == "warning"
    assert levels["words and words_too"] == "warning" and levels["scores of not_many"] == "problem"
    figures = report["figures"]
    assert figures["responses"]["count"] == 16 and figures["responses"]["max_new_tokens"] == 8
    assert figures["tokenizers"]["policy"]["unknown"] > 0.2
    assert figures["prompts"]["dropped"] and figures["cost"] is None
    assert set(figures["rewards"]) == {"words", "words_too", "not_many"}
    assert not any(isinstance(value, float) and math.isnan(value) for value in figures["rewards"]["not_many"].values())
