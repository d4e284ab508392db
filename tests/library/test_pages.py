"""docs/library.md, the example and the notebook say what works: their code is run, on the tiny world of the tests."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import lenity
from lenity.toy import world as toy

ROOT = Path(__file__).resolve().parents[2]
PAGE, SCRIPT, NOTEBOOK = (
    ROOT / "docs" / "library.md",
    ROOT / "examples" / "quickstart.py",
    ROOT / "examples" / "quickstart.ipynb",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch, small_world):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(toy, "build_world", lambda *_, **__: small_world)


def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def quicker(code):
    """The same code with less to train; each number must be there."""
    for before, after in {
        '"iterations": 8': '"iterations": 1',
        "count=600": "count=100",
        "count=120": "count=12",
        "points=3": "points=2",
    }.items():
        code = code.replace(before, after)
    return code.replace('"brief >= -8"', '"brief >= -80"')


def run(code):
    exec(compile(code, "page", "exec"), {"__name__": "page"})


@pytest.mark.slow
def test_the_blocks_of_the_page():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) > 6
    run("\n".join(blocks).replace('"brief >= -12"', '"brief >= -80"'))
    assert Path("runs/sweep/report.html").is_file() and Path("front.svg").is_file()


def test_the_page_shows_every_name():
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in lenity.__all__ if name not in text] == []


@pytest.mark.slow
def test_the_example():
    run(quicker(SCRIPT.read_text(encoding="utf-8")))
    assert Path("runs/quickstart/sweep/report.html").is_file()
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= 40


@pytest.mark.slow
def test_the_code_of_the_notebook():
    run(quicker("\n".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code")))


def test_the_notebook_is_run_and_small():
    """Every cell that shows something has it, none failed, and no plot is larger than a page should be."""
    code = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs and all(output["output_type"] != "error" for output in outputs)
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
    assert NOTEBOOK.stat().st_size < 100_000
