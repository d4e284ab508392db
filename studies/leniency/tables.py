"""The outcomes in exact worlds as Markdown tables and one CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from lenity.pareto.confidence import Interval
from lenity.report.tables import markdown
from studies.leniency.chosen import Reached, choices, halves, most_harm, pooled
from studies.leniency.outcomes import Outcome, outcomes
from studies.leniency.settings import KINDS, TEMPERATURES, Setting, paper, schedules

SHOWN = (
    "linear", "linear, steps × 2", "mgda", "pcgrad",
    paper(), paper(tau=0.1), paper(tau=0.5, schedule="linear to 0.6"), paper(tau=0.1, schedule="linear to 0.6"),
    paper("centered"), paper("centered", 0.1, "linear to 0.6"), paper("net"), paper("net", 0.1, "linear to 0.6"),
    paper("sigmoid", 0.1, "pulse"), paper("sigmoid", 0.1, "pulse, best kept"), paper("sigmoid", 0.1, "once stalled"),
    paper("entropic", 0.5), paper("entropic", 0.1, "linear to 0.6"),
)  # fmt: skip
HEADINGS = ["setting", "escapes, %", "harms, %", "greatest loss, %", "regret, %", "regret over linear, %", ""]


def percent(interval: Interval, digits: int = 1) -> str:
    """Hundredfold, with its interval.

    >>> percent(Interval(0.125, 0.1, 0.2))
    '12.5 [10.0, 20.0]'
    """
    value, low, high = (round(100 * x, digits) + 0.0 for x in (interval.value, interval.low, interval.high))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def rows(found: Iterable[Outcome]) -> str:
    """A table of outcomes, a setting a row."""
    return markdown((HEADINGS, [[o.setting.name, *_cells(o)] for o in found]))


def by_part(reached: Reached, settings: Sequence[Setting], shown: Sequence[str] = SHOWN) -> str:
    """A headed table of ``shown`` for each family and number of objectives."""
    chosen = _named(settings, shown)
    sections = []
    for part, found in reached.items():
        family, k = part.rsplit("_k", 1)
        worlds = len(next(iter(found.values())))
        stuck = float((1 - found["linear"] > 0.01).mean())
        title = f"### {family.capitalize()}, {k} objectives"
        note = f"{worlds} worlds; linear scalarisation ends more than 1 % below the best attainable in {100 * stuck:.0f} % of them."
        sections += [title, note, rows(outcomes(chosen, found))]
    return "\n\n".join(sections)


def temperatures(reached: Reached, settings: Sequence[Setting], schedule: str = "constant") -> str:
    """Escapes and harms of rules x temperatures over all worlds, for one schedule."""
    wanted = [paper(kind, tau, schedule) for tau in TEMPERATURES for kind in KINDS]
    return _grid([f"τ {tau:g}" for tau in TEMPERATURES], KINDS, wanted, reached, settings)


def falling(reached: Reached, settings: Sequence[Setting], tau: float) -> str:
    """Escapes and harms of schedules x rules over all worlds, at one temperature."""
    wanted = [paper(kind, tau, name) for name in schedules() for kind in KINDS]
    return _grid(list(schedules()), KINDS, wanted, reached, settings)


def standardised(reached: Reached, settings: Sequence[Setting]) -> str:
    """Settings with standardised advantages against linear scalarisation with standardised advantages, over all worlds."""
    return rows(outcomes([setting for setting in settings if setting.standardised], pooled(reached)))


def confirmed(reached: Reached, settings: Sequence[Setting]) -> str:
    """What the first half of the worlds chooses, measured on the second half."""
    first, second = halves(reached)
    chosen = {rule: setting for rule, setting in choices(first, settings).items() if setting is not None}
    harm = most_harm(second, list(chosen.values()))
    found = outcomes(list(chosen.values()), pooled(second))
    headings = ["asked for", *HEADINGS[:3], "harms in the worst family, %", *HEADINGS[3:]]
    table = []
    for rule, outcome in zip(chosen, found, strict=True):
        rate, part = harm[outcome.setting.name]
        escapes, harms, *rest = _cells(outcome)
        table.append(
            [rule, outcome.setting.name, escapes, harms, f"{100 * rate:.1f} ({part})" if rate else "0.0", *rest]
        )
    return markdown((headings, table))


def write_csv(reached: Reached, settings: Sequence[Setting], file: Path) -> Path:
    """Every setting in every part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        names = [
            f"{name}{end}"
            for name in ("escape", "harm", "regret", "regret_over_linear")
            for end in ("", "_low", "_high")
        ]
        writer.writerow(["part", "worlds", "setting", "baseline", *names, "greatest_loss"])
        for part, found in reached.items():
            for o in outcomes(settings, found):
                figures = [x for i in (o.escape, o.harm, o.regret, o.over) for x in (i.value, i.low, i.high)]
                numbers = [f"{x:.5f}" for x in (*figures, o.worst)]
                writer.writerow([part, o.worlds, o.setting.name, o.setting.baseline, *numbers])
    return file


def _cells(o: Outcome) -> list[str]:
    """What stands after a setting's name."""
    same = o.setting.name == o.setting.baseline
    against = ["–"] * 3 if same else [percent(o.escape), percent(o.harm), f"{100 * o.worst:.1f}"]
    over = ["–", ""] if same else [percent(o.over, 2), o.verdict]
    return [*against, percent(o.regret), *over]


def _grid(
    names: Sequence[str], columns: Sequence[str], wanted: Sequence[str], reached: Reached, settings: Sequence[Setting]
) -> str:
    """``escapes / harms, regret over linear`` in a row each of ``names``; ``wanted`` goes row by row."""
    found = iter(outcomes(_named(settings, wanted), pooled(reached)))
    table = [[name, *(_short(next(found)) for _ in columns)] for name in names]
    return markdown((["", *columns], table))


def _short(o: Outcome) -> str:
    sign = f" {o.verdict}" if o.verdict in {"better", "worse"} else ""
    return f"{100 * o.escape.value:.1f} / {100 * o.harm.value:.1f}, {100 * o.over.value:+.2f}{sign}"


def _named(settings: Sequence[Setting], names: Sequence[str]) -> list[Setting]:
    by_name = {setting.name: setting for setting in settings}
    return [by_name[name] for name in names]
