"""One self-contained ``report.html``: plotly.js is inside, nothing is fetched, and a policy in the page forbids it."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from lenity.report import cases, warnings
from lenity.report.evidence import Evidence
from lenity.report.figures import Drawn, draw
from lenity.report.panels import headline, record
from lenity.report.panels.bars import differences, verdict
from lenity.report.panels.base import Cell, Figure, Table, signed, weights_text, with_bracket
from lenity.report.panels.looks import DARK, looks
from lenity.report.panels.static import static
from lenity.report.scores import Scores

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
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(part("template.html"))
    text = template.render(
        title=title or f"Alignment report: {evidence.folder.resolve().name}",
        **_content(evidence, scores, drawn, samples),
    )
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
        "static": static(evidence, scores), "budget": record.budget(evidence.main), "protocol": record.protocol(evidence),
        "signs": warnings.signs(evidence, scores), "samples": samples, "rules": cases.RULES,
        "several_seeds": len({run.seed for run in evidence.runs}) > 1, "objectives": list(evidence.runs[0].weights),
        "single": len(evidence.runs) == 1,
        **_scripts(), "data": _data(evidence, scores, drawn, samples), "styles": part("static/page.css"),
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


def _data(evidence: Evidence, scores: Scores, drawn: Drawn, samples: bool) -> dict[str, Any]:
    """What the scripts read, as JSON."""
    chosen = cases.points(evidence)
    for entry in chosen:
        entry["means"] = _means(drawn, entry["runs"][0])
    found = {
        "figures": {figure.name: _figure(figure) for figure in drawn.figures}, "dark": DARK, "points": chosen,
        "views": {one.view.name: list(one.view.columns) for one in evidence.comparisons}, "texts": None, "cases": None,
    }  # fmt: skip
    if samples:
        across, over = cases.across_methods(evidence, scores), cases.across_weights(evidence, scores)
        every = [*([across] if across else []), *over]
        found["texts"] = cases.texts(evidence, scores, every)
        found["cases"] = {"methods": vars(across) if across else None, "weights": [vars(case) for case in over]}
    return {name: as_json(part) for name, part in found.items()}


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


def as_json(value: Any) -> Any:
    """JSON that is safe within a script element: no ``<``, ``>`` or ``&`` is left in it."""
    from markupsafe import Markup

    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped above


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
