"""A server that is not ours: ``transformers serve`` with an untrained model, whose answers are mostly no integers."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import tiny
from lenity.judge.run import judge
from served import served

TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("uvicorn")
    model = tiny.save_model(tmp_path / "model")
    (model / "chat_template.jinja").write_text(TEMPLATE)
    with served(model, tmp_path / "log") as url:
        yield url, str(model)


@pytest.mark.slow
def test_answers_of_an_untrained_model_are_counted_as_what_they_are(folder, settings, server):
    url, model = server
    found = judge(
        folder, settings(url, model=model, limit=1, max_tokens=3, temperature=1.0, concurrency=2, timeout=60.0)
    )
    scores, told = found.scores, json.loads((folder / "judge.json").read_text())
    assert told["questions"] == len(scores) == 6 and told["without_answer"] == {}
    assert told["calls"] == scores["answers"].sum() + scores["failures"].sum()
    assert told["parse_failures"] == scores["failures"].sum() > 0
    assert told["missing_scores"] == scores["score"].isna().sum()
    assert told["prompt_tokens"] > 100 * told["calls"] and 0 < told["completion_tokens"] <= 3 * told["calls"]
    assert set(scores["answers"]) <= {0, 1} and (scores.loc[scores["answers"] == 0, "failures"] == 3).all()
    again = judge(folder, settings(url, model=model, limit=1, max_tokens=3, temperature=1.0))
    assert (again.summary["calls"], again.summary["from_cache"]) == (0, told["calls"])
    pd.testing.assert_frame_equal(again.scores, scores)
