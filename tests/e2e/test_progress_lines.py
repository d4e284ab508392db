"""Every command that takes long says how far it is, in a log file and on a narrow terminal, through the real command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading

import pytest
import yaml

import tiny
from judge.conftest import toy_run
from scripted_server import Scripted, say
from terminals import rows, screen

OFTEN = ("--logging.every_seconds", "0.05")
SMALL = {"hidden_size": 16, "layers": 1, "heads": 2, "vocab_size": 300, "max_position_embeddings": 64}
TEXT = "\n\nHuman: sure but\n\nAssistant: like ducks\n\nHuman: sorry\n\nAssistant: find a guide"


def lenity(folder, *arguments):
    """The lines of the file to which the output of ``lenity`` goes."""
    file = folder / "log"
    with file.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "lenity", *map(str, arguments)], stdout=out, stderr=subprocess.PIPE, text=True, check=False, timeout=300
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    assert "\x1b" not in text
    return text.splitlines()


def told(lines, title, total, unit):
    """The lines of one progress; the first and the last are whole, and some came in between."""
    ours = [line for line in lines if line.startswith(f"{title} ")]
    assert ours[0] == f"{title} 0/{total} {unit}, 0 s", lines
    assert ours[-1].startswith(f"{title} {total}/{total} {unit}, "), ours
    assert all(re.match(rf"{re.escape(title)} \d+/{total} {unit}, \d+ s", line) for line in ours), ours
    return ours


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """A run folder's file, and what `lenity train` said."""
    folder = tmp_path_factory.mktemp("trained")
    data = tiny.run_config(tiny_model, folder / "run", logging={}).dump()
    (folder / "run.yaml").write_text(yaml.safe_dump(data))
    return folder, lenity(folder, "train", folder / "run.yaml", *OFTEN)


def test_train(trained):
    _, lines = trained
    told(lines, "calibrating rewards", 32, "responses")
    ours = told(lines, "aligning", 3, "iterations")
    assert len(ours) > 4 and any(re.search(r"\d+ s left, \w+ [+-]\d\.\d\d · .*KL", line) for line in ours), ours


@pytest.mark.parametrize("option", [(), ("--logging.progress", "false")])
def test_evaluate(trained, tmp_path, option):
    folder, _ = trained
    again = ("--evaluation.seed", str(7 + len(option)))
    lines = lenity(tmp_path, "evaluate", folder / "run", *again, *OFTEN, *option)
    if option:
        assert not [line for line in lines if line.startswith(("generating", "scoring", "measuring"))]
        return
    for title, total, unit in (("generating, reference policy", 12, "responses"), ("generating, aligned policy", 12, "responses"), ("measuring KL", 12, "responses"),
                               ("scoring, reference", 2, "rewards"), ("scoring, aligned", 2, "rewards")):  # fmt: skip
        told(lines, title, total, unit)


def test_sft(tmp_path):
    for name, text in (("rows", TEXT), ("held_out", TEXT.replace("Assistant: ", "Assistant: Well, "))):
        (tmp_path / f"{name}.jsonl").write_text(f"{json.dumps({'text': text})}\n" * 32)
    rows, held_out = ({"dataset": str(tmp_path / f"{name}.jsonl")} for name in ("rows", "held_out"))
    data = {
        "output": str(tmp_path / "out"),
        "model": SMALL,
        "data": rows,
        "eval_data": held_out,
        "batch_size": 8,
        "epochs": 4,
    }
    (tmp_path / "sft.yaml").write_text(yaml.safe_dump(data))
    lines = lenity(tmp_path, "sft", tmp_path / "sft.yaml", *OFTEN)
    told(lines, "fine-tuning", 16, "steps")
    told(lines, "measuring", 4, "batches")
    silent = lenity(tmp_path, "sft", tmp_path / "sft.yaml", "--output", tmp_path / "other", "--progress", "false")
    assert not [line for line in silent if line.startswith(("fine-tuning", "measuring"))], (
        "as before there was `logging`"
    )


def test_reward(tmp_path):
    rows = [{"text": f"{'joke' if i % 2 else 'news'} number {i}", "label": i % 2} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"output": str(tmp_path / "out"), "model": SMALL, "labels": {"dataset": str(tmp_path / "rows.jsonl")},
            "template": "response", "max_steps": 10}  # fmt: skip
    (tmp_path / "reward.yaml").write_text(yaml.safe_dump(data))
    lines = lenity(tmp_path, "reward", tmp_path / "reward.yaml", *OFTEN)
    told(lines, "training the reward", 10, "steps")
    told(lines, "scoring held-out rows", 1, "columns")


def test_rewards_in_context(tiny_model, tmp_path):
    method = {"type": "ric", "offline": {"steps": 4}, "online": {"samples": 16, "steps": 2}, "batch_size": 4}
    data = tiny.run_config(tiny_model, tmp_path / "run", method=method, logging={}).dump()
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(data))
    lines = lenity(tmp_path, "train", tmp_path / "run.yaml", *OFTEN)
    told(lines, "learning scores", 4, "steps")
    told(lines, "round 1: answering", 16, "responses")
    told(lines, "round 1: learning", 2, "steps")


def test_sweep(trained, tmp_path):
    folder, _ = trained
    arguments = ("sweep", folder / "run.yaml", "--methods", "linear", "--points", "corners")
    lines = lenity(tmp_path, *arguments, "--output", tmp_path / "all", *OFTEN)
    ours = [line for line in lines if re.match(r"\d/2 runs ended, \d running, (\d+ min )?\d+ s, ", line)]
    assert any(line.startswith("0/2 runs ended, 0 running, ") and "measuring the constants" in line for line in ours), (
        lines
    )
    assert any(line.startswith("0/2 runs ended, 1 running, ") for line in ours)
    assert any(line.startswith("1/2 runs ended, 1 running, ") and "about " in line and " left" in line for line in ours)
    assert not [line for line in lines if line.startswith("aligning")], "the workers are silent"


def test_judge(tmp_path):
    toy_run(tmp_path / "run", "plc", seed=1, prompts=6)
    server = Scripted(lambda number, request: say("5", delay=0.1))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        options = ("judge", tmp_path / "run", "--endpoint", server.url, "--model", "m", "--concurrency", "2", *OFTEN)
        ours = told(lenity(tmp_path, *options), "judging", 24, "questions")
    finally:
        server.shutdown()
        server.server_close()
    assert len(ours) > 5 and any(line.endswith(" s left") for line in ours)


@pytest.mark.parametrize("columns", [60, 80])
def test_count_and_time_left_are_seen_on_a_narrow_terminal(trained, tmp_path, columns):
    folder, _ = trained
    arguments = ["lenity", "train", str(folder / "run.yaml"), "--output", str(tmp_path / "run"), "--iterations", "6"]
    code = f"import sys; sys.argv = {arguments!r}; from lenity.cli.main import main; main()"
    drawn = [
        line
        for line in rows(screen(code, columns, PYTHONPATH=os.pathsep.join(sys.path)))
        if "align" in line and "/6 " in line
    ]
    assert any(re.match(r" *\d/6 \d+ s, \d+ s left ", line) for line in drawn), drawn
    assert re.match(r" *6/6 \d+ s ", drawn[-1]) and max(map(len, drawn)) <= columns
