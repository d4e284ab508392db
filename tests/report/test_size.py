"""A page stays small, whatever is in it."""

from __future__ import annotations

import pandas as pd
import pytest

from lenity.report.collect import read_runs, views
from lenity.report.comparison import compare
from lenity.report.embedded import as_json, lighter, size
from lenity.report.evidence import Evidence
from lenity.report.page import write_page
from lenity.report.panels.base import Choice, Figure
from made_up import write_sweep

POINTS = [{"a": part / 4, "b": 1 - part / 4} for part in range(5)]


@pytest.fixture
def many(tmp_path):
    """Sixty runs."""
    write_sweep(tmp_path, ("a", "b"), POINTS, {f"method {i}": 0.1 * i for i in range(12)}, prompts=12, held_out=False)
    return tmp_path


@pytest.mark.parametrize(
    "text", ["<" * 4000, "\u300c\u6f22\u300d" * 1500, "\x01\u2028" * 2000], ids=["hostile", "CJK", "control"]
)
def test_a_page_of_many_runs_and_texts_that_grow_when_escaped_stays_small(many, text):
    for file in many.rglob("evaluation.parquet"):
        frame = pd.read_parquet(file)
        frame["response"] = frame["prompt"] = text
        frame.to_parquet(file)
    runs = read_runs(many)
    (view,) = views(runs)
    page = write_page(Evidence(many, runs, None, [compare(runs, view, draws=5)], None))
    assert page.stat().st_size < 8_000_000
    assert str(as_json(text[:20]))[1:-1] in page.read_text(), "there are responses in it"


def test_figures_that_take_too_much_offer_fewer_choices_and_say_so():
    choices = [Choice(str(i), [{"y": [0] * 1000}], {}) for i in range(12)]
    figures = [Figure("training", "kl", "KL", choices, group="training"), Figure("fronts", "all", "All", choices[:1])]
    assert lighter(figures) == figures
    curves, front = lighter(figures, room=size(figures[0]) // 2)
    assert [choice.label for choice in curves.choices] == ["0", "4", "7", "11"] and "4 of the choices" in curves.note
    assert front == figures[1]
