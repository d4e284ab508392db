"""One self-contained ``report.html``: plotly.js is inside, nothing is fetched, and a policy in the page forbids it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from lenity.report import cases, warnings
from lenity.report.embedded import as_json
from lenity.report.evidence import Evidence
from lenity.report.figures import Drawn, draw
from lenity.report.lighter import lighter
from lenity.report.panels import headline, record
from lenity.report.panels.bars import differences, verdict
from lenity.report.panels.base import Cell, Figure, Table, signed, weights_text, with_bracket
from lenity.report.panels.looks import DARK, looks
from lenity.report.panels.static import static, static_title
from lenity.report.scores import Scores

MOST = 7_950_000  # bytes; plotly.js takes 4.8 million of them
SCRIPTS = ("theme", "figures", "tabs", "points", "cases")


def write_page(evidence: Evidence, *, samples: bool = True, title: str | None = None) -> Path:
    """Write ``report.html`` into the evidence's folder; the path.

    Args:
        evidence: what :func:`lenity.report.evidence.gather` found.
        samples: with responses, which may offend.
        title: of the page.
    """
    from jinja2 import Environment, StrictUndefined

    scores = Scores.of(evidence)
    drawn = draw(evidence, scores)
    drawn = replace(drawn, figures=lighter(drawn.figures))
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(part("template.html"))
    content = _content(evidence, scores, drawn, samples)
    content["title"] = title or f"Alignment report: {evidence.folder.resolve().name}"
    text = template.render(content)
    if samples:
        content["data"] |= _texts(evidence, scores, MOST - len(text.encode()))
        text = template.render(content)
    file = evidence.folder / "report.html"
    file.write_text(text, encoding="utf-8")
    return file


def part(name: str) -> str:
    """A file beside this one."""
    return files("lenity.report").joinpath(name).read_text(encoding="utf-8")


def _content(evidence: Evidence, scores: Scores, drawn: Drawn, samples: bool) -> dict[str, Any]:
    comparisons = evidence.comparisons
    return {
        "setting": headline.setting(evidence),
        "sentences": [headline.sentence(one, drawn.spots[one.view.name]) for one in comparisons],
        "views": [one.view.name for one in comparisons], "main": evidence.main.view.name,
        "figures": drawn.figures, "looks": looks(run.method for run in evidence.runs), "known_best": evidence.best is not None,
        "points": points_table(drawn, evidence), "differences": {one.view.name: differences(one) for one in comparisons if one.methods},
        "static": static(evidence, scores), "static_title": static_title(evidence.main), "budget": record.budget(evidence.main), "protocol": record.protocol(evidence),
        "signs": warnings.signs(evidence, scores), "samples": samples, "rules": cases.RULES,
        "several_seeds": len({run.seed for run in evidence.runs}) > 1, "objectives": list(evidence.runs[0].weights),
        "single": len(evidence.runs) == 1,
        **_scripts(), "data": _data(evidence, drawn), "styles": part("static/page.css"),
    }  # fmt: skip


def _scripts() -> dict[str, Any]:
    """Ours and plotly's; only scripts with the nonce run."""
    from plotly.offline import get_plotlyjs

    own = [part(f"static/{name}.js") for name in SCRIPTS]
    return {
        "plotly_js": get_plotlyjs(),
        "scripts": own,
        "nonce": hashlib.sha256("".join(own).encode()).hexdigest()[:24],
    }


def _data(evidence: Evidence, drawn: Drawn) -> dict[str, Any]:
    """What the scripts read, as JSON, but for texts."""
    chosen = cases.points(evidence)
    for entry in chosen:
        entry["means"] = _means(drawn, entry["runs"][0])
    found = {
        "figures": {figure.name: _figure(figure) for figure in drawn.figures}, "dark": DARK, "points": chosen,
        "views": {one.view.name: list(one.view.columns) for one in evidence.comparisons}, "texts": None, "cases": None,
    }  # fmt: skip
    return {name: as_json(part) for name, part in found.items()}


def _texts(evidence: Evidence, scores: Scores, room: int) -> dict[str, Any]:
    """Prompts and responses, as JSON of at most ``room`` bytes."""
    across, over = cases.across_methods(evidence, scores), cases.across_weights(evidence, scores)
    found = {"methods": vars(across) if across else None, "weights": [vars(case) for case in over]}
    shown = as_json(found)
    texts = cases.fitting(evidence, scores, [*([across] if across else []), *over], room - len(shown.encode()))
    return {"texts": texts, "cases": shown}


def _means(drawn: Drawn, run: int) -> dict[str, list[str]]:
    """By view, each objective's mean with its interval."""
    return {
        view: [with_bracket(spot.interval(k)) for k in range(len(spot.mean))]
        for view, spots in drawn.spots.items()
        for spot in spots
        if run in spot.runs
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"group": figure.group, "choices": [vars(choice) for choice in figure.choices]}


def points_table(drawn: Drawn, evidence: Evidence) -> dict[str, Table]:
    """By view: what the fronts show, to read, with the change from the reference policy."""
    found = {}
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
        found[one.view.name] = Table(["policy", *one.objectives], rows, caption)
    return found
