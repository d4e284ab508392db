"""One self-contained ``report.html``: plotly.js is inside, nothing is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

from lenity.evaluation.table import changes, mean_kl
from lenity.report import collect, figures, tables
from lenity.report.collect import Run
from lenity.report.comparison import compare


def write_page(folder: str | Path, *, samples: bool = True, title: str | None = None) -> Path:
    """Write ``folder/report.html`` from the evaluated runs in it; the path."""
    from jinja2 import Environment
    from plotly.offline import get_plotlyjs

    folder = Path(folder)
    runs, best = collect.read_runs(folder), collect.read_best(folder)
    objectives = collect.measured(runs)
    trained = list(runs[0].weights)
    drawn = [figures.front(runs, x, y, best) for x, y in combinations(objectives, 2)]
    some, comparison = collect.shown(runs), compare(runs, best)
    curves = [figures.reward_curves(some, name) for name in trained]
    curves += [figures.kl_curves(some), figures.conflict_curves(some)]
    curves += [figures.mask_curves(some, name) for name in trained]
    template = Environment(autoescape=True).from_string(
        files("lenity.report").joinpath("template.html").read_text(encoding="utf-8")
    )
    text = template.render(
        title=title or f"Alignment report: {folder.name}",
        prompts=runs[0].frame["prompt_id"].nunique(),
        compared=[tables.methods(comparison), tables.costs(comparison)] if comparison.methods else [],
        note=tables.note(comparison) if comparison.methods else "",
        few_curves=len(some) < len(runs),
        fronts=[_html(figure) for figure in drawn],
        curves=[_html(figure) for figure in curves if figure.data],
        tables=[{"name": run.name, "changes": changes(run.frame), "kl": str(mean_kl(run.frame))} for run in runs],
        samples=sample_rows(runs) if samples else [],
        plotly_js=get_plotlyjs(),
    )
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8")
    return file


def sample_rows(runs: Sequence[Run], each: int = 3) -> list[dict[str, str]]:
    """The first prompts (by id) of each run, with both policies' responses."""
    found: list[dict[str, Any]] = []
    for run in runs:
        rows = run.frame.drop_duplicates(["policy", "prompt_id"]).pivot(
            index=["prompt_id", "prompt"], columns="policy", values="response"
        )
        shown = rows.sort_index().head(each).reset_index()
        found += [
            {"run": run.name, "prompt": str(prompt).strip(), "before": before, "after": after}
            for prompt, before, after in zip(shown["prompt"], shown["reference"], shown["aligned"], strict=True)
        ]
    return found


def _html(figure: Any) -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
    )
