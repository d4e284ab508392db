"""One self-contained ``report.html``: it includes plotly.js, fetches nothing, and a content security policy enforces that."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from lenity.report import cases, warnings
from lenity.report.comparison import Comparison
from lenity.report.coverage import MOST_NAMED
from lenity.report.embedded import as_json, lighter
from lenity.report.evidence import Evidence
from lenity.report.figures import Drawn, draw, metrics_section
from lenity.report.panels import headline, record
from lenity.report.panels.bars import differences, pairs, verdict
from lenity.report.panels.base import Cell, Figure, Table, signed, weights_text, with_bracket
from lenity.report.panels.looks import DARK, looks
from lenity.report.panels.static import static, static_title
from lenity.report.scores import Scores
from lenity.report.tables import CAPTION, heading, presence

MOST = 7_950_000  # bytes; plotly.js takes 4.8 million of them
SCRIPTS = ("theme", "figures", "tabs", "points", "cases")


def write_page(evidence: Evidence, *, samples: bool = True, title: str | None = None) -> Path:
    """The path of ``report.html``, written into the evidence's folder.

    Args:
        evidence: from :func:`lenity.report.evidence.gather`.
        samples: show responses, which may offend.
        title: of the page; default: the names of the folders.
    """
    from jinja2 import Environment, StrictUndefined

    scores = Scores.of(evidence)
    drawn = draw(evidence, scores)
    drawn = replace(drawn, figures=lighter(drawn.figures))
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(part("template.html"))
    content = _content(evidence, scores, drawn, samples)
    content["title"] = title or f"Alignment report: {_names(evidence.read)}"
    text = template.render(content)
    if samples:
        content["data"] |= _texts(evidence, scores, MOST - len(text.encode()))
        text = template.render(content)
    file = evidence.folder / "report.html"
    evidence.folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def _names(folders: Sequence[Path]) -> str:
    more = f" and {len(folders) - MOST_NAMED} more" if len(folders) > MOST_NAMED else ""
    return ", ".join(folder.resolve().name for folder in folders[:MOST_NAMED]) + more


def part(name: str) -> str:
    """The text of a file of this package."""
    return files("lenity.report").joinpath(name).read_text(encoding="utf-8")


def _content(evidence: Evidence, scores: Scores, drawn: Drawn, samples: bool) -> dict[str, Any]:
    comparisons = evidence.comparisons
    return {
        "setting": headline.setting(evidence),
        "sentences": [text for one in comparisons for text in headline.sentences(one, drawn.spots[one.view.name])],
        "views": [one.view.name for one in comparisons], "main": evidence.main.view.name,
        "figures": drawn.figures, "looks": looks(run.method for run in evidence.runs), "known_best": evidence.best is not None,
        "points": points_table(drawn, evidence), "metrics": {one.view.name: _metrics(one) for one in comparisons if one.methods}, "presence": _presence(evidence),
        "pairs": {one.view.name: pairs(one) for one in comparisons if one.pairs},
        "static": static(evidence, scores), "static_title": static_title(evidence.main), "budget": record.budget(evidence.main), "protocol": record.protocol(evidence),
        "signs": warnings.signs(evidence, scores), "samples": samples, "rules": cases.RULES,
        "several_seeds": len({run.seed for run in evidence.runs}) > 1, "objectives": list(evidence.runs[0].weights),
        "single": len(evidence.runs) == 1,
        **_scripts(), "data": _data(evidence, drawn), "styles": part("static/page.css"),
    }  # fmt: skip


def _metrics(comparison: Comparison) -> list[tuple[str, str, Table]]:
    """Per comparison of a view: heading, where there are several, section of its bars, and table of differences."""
    several = len(comparison.all) > 1
    return [
        (heading(one) if several else "", metrics_section(place), differences(one))
        for place, one in enumerate(comparison.all)
    ]


def _presence(evidence: Evidence) -> Table:
    headings, rows = presence(evidence)
    return Table(headings, [list(map(Cell, row)) for row in rows], CAPTION)


def _scripts() -> dict[str, Any]:
    """The scripts of the page and plotly's, with the nonce without which no script runs."""
    from plotly.offline import get_plotlyjs

    own = [part(f"static/{name}.js") for name in SCRIPTS]
    return {
        "plotly_js": get_plotlyjs(),
        "scripts": own,
        "nonce": hashlib.sha256("".join(own).encode()).hexdigest()[:24],
    }


def _data(evidence: Evidence, drawn: Drawn) -> dict[str, Any]:
    """The data that the scripts read, as JSON, without prompts and responses."""
    chosen = cases.points(evidence)
    for entry in chosen:
        entry["means"] = _means(drawn, entry["runs"][0])
    data = {
        "figures": {figure.name: _figure(figure) for figure in drawn.figures}, "dark": DARK, "points": chosen,
        "views": {one.view.name: list(one.view.columns) for one in evidence.comparisons}, "texts": None, "cases": None,
    }  # fmt: skip
    return {name: as_json(part) for name, part in data.items()}


def _texts(evidence: Evidence, scores: Scores, room: int) -> dict[str, Any]:
    """Prompts and responses, as JSON of at most ``room`` bytes."""
    across, over = cases.across_methods(evidence, scores), cases.across_weights(evidence, scores)
    chosen = {"methods": vars(across) if across else None, "weights": [vars(case) for case in over]}
    shown = as_json(chosen)
    texts = cases.fitting(evidence, scores, [*([across] if across else []), *over], room - len(shown.encode()))
    return {"texts": texts, "cases": shown}


def _means(drawn: Drawn, run: int) -> dict[str, list[str]]:
    """The mean of each objective with its interval, by view."""
    return {
        view: [with_bracket(spot.interval(k)) for k in range(len(spot.mean))]
        for view, spots in drawn.spots.items()
        for spot in spots
        if run in spot.runs
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"group": figure.group, "choices": [vars(choice) for choice in figure.choices]}


def points_table(drawn: Drawn, evidence: Evidence) -> dict[str, Table]:
    """The points of the fronts as a table, with the change from the reference policy, by view."""
    by_view = {}
    for one in evidence.comparisons:
        rows = []
        for spot in drawn.spots[one.view.name]:
            cells = [
                Cell(with_bracket(spot.interval(k)), signed(spot.gain[k]), verdict(spot.gain[k], 1))
                for k in range(len(spot.mean))
            ]
            rows.append([Cell(spot.method, weights_text(spot.weights)), *cells])
        caption = (
            "Mean raw reward with its interval; below, the change from the reference policy with its paired interval."
        )
        by_view[one.view.name] = Table(["policy", *one.objectives], rows, caption)
    return by_view
