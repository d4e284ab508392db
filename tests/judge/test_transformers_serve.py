"""A server that is not ours: ``transformers serve`` with an untrained model, whose answers are mostly no integers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

import tiny
from lenity.judge.run import judge

TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("uvicorn")
    model = tiny.save_model(tmp_path / "model")
    (model / "chat_template.jinja").write_text(TEMPLATE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).parent / "transformers", "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]  # fmt: skip
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log, env=os.environ) as process:  # fmt: skip
        try:
            _wait(process, port, tmp_path / "log")
            yield f"http://127.0.0.1:{port}/v1", str(model)
        finally:
            process.kill()


def _wait(process, port, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


@pytest.mark.slow
def test_answers_of_an_untrained_model_are_counted_as_what_they_are(folder, settings, server):
    url, model = server
    found = judge(
        folder, settings(url, model=model, limit=3, max_tokens=3, temperature=1.0, concurrency=2, timeout=60.0)
    )
    scores, told = found.scores, json.loads((folder / "judge.json").read_text())
    assert told["questions"] == len(scores) == 18 and told["without_answer"] == {}
    assert told["calls"] == scores["answers"].sum() + scores["failures"].sum()
    assert told["parse_failures"] == scores["failures"].sum() > 0
    assert told["missing_scores"] == scores["score"].isna().sum()
    assert told["prompt_tokens"] > 100 * told["calls"] and 0 < told["completion_tokens"] <= 3 * told["calls"]
    assert set(scores["answers"]) <= {0, 1} and (scores.loc[scores["answers"] == 0, "failures"] == 3).all()
    again = judge(folder, settings(url, model=model, limit=3, max_tokens=3, temperature=1.0))
    assert (again.summary["calls"], again.summary["from_cache"]) == (0, told["calls"])
    pd.testing.assert_frame_equal(again.scores, scores)
