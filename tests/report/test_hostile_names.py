"""Names that are markup, in what is written as Markdown: the results page and the model card."""

from __future__ import annotations

import pytest
import yaml

import tiny
from lenity.card import card
from lenity.report.evidence import gather
from lenity.report.markdown import write_markdown
from made_up import write_sweep


def columns(text):
    return {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}


def test_a_results_page_shows_them_as_text(tmp_path):
    names = ("a<b>", "b|c")
    points = [dict(zip(names, point, strict=True)) for point in ((1.0, 0.0), (0.0, 1.0))]
    write_sweep(tmp_path, names, points, {"p<i>": 0.5, "$x^$": 0.2}, held_out=False)
    text = write_markdown(gather(tmp_path), tmp_path / "page.md").read_text()
    assert "<" not in text and "a&lt;b&gt;" in text and "b\\|c" in text
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) >= 4 and all(len(columns(table)) == 1 for table in tables)
    for picture in tmp_path.glob("page_*.svg"):
        assert "<b>" not in picture.read_text() and "p&lt;i&gt;" in picture.read_text()


@pytest.mark.parametrize("base", ["m: {a}\nlicense: mit\n---\n# b", 'm")\nimport os  # "', "m<b>"])
def test_a_model_card_has_its_own_front_matter_and_no_more(tmp_path, base):
    names = ("a<b>", "b|c")
    rewards = {name: {"type": "function", "function": "m:f"} for name in names}
    config = tiny.run_config(base, tmp_path / "x<b>", weights=dict.fromkeys(names, 0.5), rewards=rewards)
    text = card(config, [])
    front, rest = text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front) == {
        "library_name": "peft",
        "base_model": base,
        "pipeline_tag": "text-generation",
        "tags": ["lenity", "ppo", "multi-objective", "lora"],
    }
    parts = rest.split("```")
    prose, blocks = "".join(parts[::2]), parts[1::2]
    assert "<" not in prose and "a&lt;b&gt;" in prose and columns(prose) == {4}
    assert [block.splitlines()[0] for block in blocks] == ["python", "python", "sh"]
    for block in blocks[:2]:
        compile(block.removeprefix("python\n"), "card", "exec")
    assert len(blocks[0].splitlines()) == 13 and len(blocks[2].splitlines()) == 3
