"""What the panels say and draw."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import yaml

import chromium
from lenity.report.collect import View, read_runs
from lenity.report.comparison import compare
from lenity.report.evidence import Evidence
from lenity.report.figures import draw, save
from lenity.report.markdown import write_markdown
from lenity.report.page import write_page
from lenity.report.panels.fronts import ellipse
from lenity.report.panels.static import static_title
from lenity.report.scores import Scores
from lenity.report.spots import spots

TRAINED = {"a": "a", "b": "b"}


def inside(points, outline):
    """Which of (n, 2) points lie within a closed outline: a ray to the right crosses its edges an odd number of times."""
    found = np.zeros(len(points), dtype=bool)
    for (x1, y1), (x2, y2) in pairwise(outline):
        between = (y1 > points[:, 1]) != (y2 > points[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            found ^= between & (points[:, 0] < x1 + (points[:, 1] - y1) / (y2 - y1) * (x2 - x1))
    return found


def test_an_ellipse_holds_95_percent_of_resampled_means():
    rng = np.random.default_rng(3)
    prompts = rng.gamma(2.0, size=(300, 2)) @ np.array([[1.0, 0.6], [0.0, 0.4]])
    means = prompts[rng.integers(0, 300, size=(8000, 300))].mean(1)
    outline = ellipse(prompts.mean(0), np.cov(prompts.T) / 300, corners=64)
    assert inside(means, outline).mean() == pytest.approx(0.95, abs=0.015)


def test_the_ellipse_of_a_policy_is_that_of_its_prompts(sweep):
    evidence = trained(sweep)
    spot = spots(evidence, evidence.main, Scores.of(evidence))[0]
    raw = evidence.runs[spot.runs[0]].scores(["a", "b"], column="raw")
    assert spot.covariance == pytest.approx(np.cov(raw.T) / len(raw), abs=0.004)


def trained(folder):
    runs = read_runs(folder)
    return Evidence(folder, runs, None, [compare(runs, View("trained rewards", TRAINED), draws=20)], None)


def test_figures_are_saved_as_pictures_and_pages(sweep, tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", chromium.found())
    evidence = trained(sweep)
    figures = [one for one in draw(evidence, Scores.of(evidence)).figures if one.section == "fronts"]
    png, pdf = save(figures[:1], tmp_path / "figures", ("png", "pdf"))
    assert png.read_bytes().startswith(b"\x89PNG") and pdf.read_bytes().startswith(b"%PDF")
    assert min(png.stat().st_size, pdf.stat().st_size) > 5000, "something is drawn"


def test_budgets_that_differ_are_told_by_method(sweep):
    for file in (sweep / "runs" / "plc").rglob("config.yaml"):
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"budget": {"tokens": 30_000}}))
    text = write_markdown(trained(sweep), sweep / "page.md").read_text()
    each = "each of 8 responses of at most 4 tokens"
    assert f"linear: 5 iterations, {each}; plc: iterations until 30,000 tokens are generated, {each}; seeds 0." in text


def test_weights_that_are_not_equal_are_not_called_so(sweep):
    evidence = trained(sweep)
    assert static_title(evidence.main) == "Every method at weights b 1"
    page = write_page(evidence).read_text()
    assert "Every method at weights b 1</h2>" in page and "at equal weights" not in page.partition("</main>")[0]
