"""A results page in Markdown for the documentation: measured numbers, never texts of responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lenity.console.markdown import inline
from lenity.errors import ConfigError
from lenity.evaluation.table import changes, mean_kl
from lenity.pareto.confidence import Interval
from lenity.report import collect, tables
from lenity.report.collect import Run
from lenity.report.comparison import Comparison
from lenity.report.coverage import left_out
from lenity.report.evidence import Evidence
from lenity.report.figures import smooth
from lenity.report.tables import CAPTION, presence

MANY = 16  # runs; for more, the table of each run is left out


def write_markdown(evidence: Evidence, file: str | Path) -> Path:
    """The path of the page, written with ``<name>_reward.svg`` and ``<name>_kl.svg`` next to it."""
    file, runs = Path(file), evidence.runs
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(runs, file)
    parts = [
        f"# {inline(file.stem)}",
        _setting(evidence),
        f"## Weights and seeds of each method\n\n{CAPTION}",
        tables.markdown(presence(evidence)),
    ]
    parts += [*_left_out(evidence), _reward_models(runs)]
    for comparison in evidence.comparisons:
        parts += _comparison(comparison)
    if evidence.main.methods:
        parts += [
            "## Cost",
            f"Of a method's front, per seed. {tables.PASSES}",
            tables.markdown(tables.costs(evidence.main)),
        ]
    if len(runs) <= MANY:
        parts += ["## Before and after", _changes(runs)]
    parts += ["## Curves", *(f"![{path.stem}]({path.name})" for path in pictures)]
    file.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return file


def _setting(evidence: Evidence) -> str:
    runs = evidence.runs
    seeds = ", ".join(map(str, sorted({run.seed for run in runs})))
    text = f"Written from run folders by `lenity report`. {len(runs)} runs; {_budgets(runs)}; seeds {seeds}."
    if evidence.protocol is not None:
        decoding = evidence.protocol.decoding
        text += (
            f" Measured on {evidence.protocol.prompts.count} prompts (sha256 {evidence.protocol.prompts.sha256[:12]}), temperature "
            f"{decoding['temperature']:g}, top-p {decoding['top_p']:g}, at most {decoding['max_new_tokens']} tokens."
        )
        text += f" {evidence.protocol.caution}" if evidence.protocol.caution else ""
    return inline(text)


def _budgets(runs: Sequence[Run]) -> str:
    """The budget of all runs, or each budget with its methods where they differ."""
    methods: dict[str, dict[str, None]] = {}
    for run in runs:
        methods.setdefault(_budget(run.config), {})[run.method] = None
    if len(methods) == 1:
        return next(iter(methods))
    return "; ".join(f"{', '.join(names)}: {budget}" for budget, names in methods.items())


def _budget(config: dict[str, Any]) -> str:
    tokens, rollout = (config.get("budget") or {}).get("tokens"), config["rollout"]
    until = f"iterations until {tokens:,} tokens are generated" if tokens else f"{config['iterations']} iterations"
    return f"{until}, each of {rollout['batch_size']} responses of at most {rollout['max_new_tokens']} tokens"


def _reward_models(runs: Sequence[Run]) -> str:
    """A table of reward models, from the ``report.json`` that `lenity reward` writes next to each."""
    rows = []
    for name, spec in {**runs[0].config["rewards"], **runs[0].config.get("held_out_rewards", {})}.items():
        file = Path(str(spec.get("model", ""))) / "report.json"
        if spec.get("model") and file.is_file():
            report = json.loads(file.read_text(encoding="utf-8"))
            accuracy = str(Interval(report["accuracy"], *report["accuracy_interval"]))
            numbers = [f"{report[key]:.3f}" for key in ("longer_wins", "score_mean", "score_std", "saturation")]
            rows.append([name, accuracy, report["held_out_rows"], *numbers])
    if not rows:
        return ""
    headings = ["reward", "held-out accuracy", "rows", "longer wins", "score mean", "score std", "saturated"]
    return "## Reward models\n\n" + tables.markdown((headings, rows))


def _left_out(evidence: Evidence) -> list[str]:
    lines = [f"- **{inline(sign.what)}.** {inline(sign.where)}. {inline(sign.advice)}" for sign in left_out(evidence)]
    return ["## What is left out", "\n".join(lines)] if lines else []


def _comparison(view: Comparison) -> list[str]:
    if not view.methods:
        return []
    parts = [f"## By {view.view.name}"]
    for part in view.all:
        parts += [f"### {inline(tables.heading(part))}"] if len(view.all) > 1 else []
        parts += [inline(tables.note(part)), tables.markdown(tables.methods(part))]
        parts += [tables.markdown(tables.other_metrics(part)), tables.markdown(tables.differences(part))]
    if view.pairs:
        parts += ["### Methods whose weights and seeds differ", tables.markdown(tables.pairs(view))]
    return [*parts, "Mean raw reward over seeds and prompts.", tables.markdown(tables.rewards(view))]


def _changes(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        kl = str(mean_kl(run.frame))
        for c in changes(run.frame):
            name = c.objective + (" (held out)" if c.held_out else "")
            weight = f"{run.weights[c.objective]:.3g}" if c.objective in run.weights else "–"
            rows.append(
                [
                    run.name,
                    name,
                    weight,
                    f"{c.before.value:.3f}",
                    f"{c.after.value:.3f}",
                    str(c.difference),
                    c.verdict,
                    kl,
                ]
            )
    headings = ["run", "objective", "weight", "before", "after", "difference", "verdict", "KL, nats per response"]
    return tables.markdown((headings, rows))


def _pictures(runs: Sequence[Run], file: Path) -> list[Path]:
    runs, names = collect.shown(runs), list(runs[0].weights)
    values = [(name, _reward_of(name)) for name in names]
    if not any(run.metrics for run in runs):
        return []
    reward, kl = (file.with_name(f"{file.stem}_{part}.svg") for part in ("reward", "kl"))
    _draw(runs, values, reward, "mean raw reward")
    _draw(runs, [("KL from the reference policy", lambda row: row.get("kl"))], kl, "nats per response")
    return [reward, kl]


def _reward_of(name: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda row: row["reward"].get(name)


def _draw(
    runs: Sequence[Run], panels: Sequence[tuple[str, Callable[[dict[str, Any]], float | None]]], file: Path, unit: str
) -> None:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ConfigError(
            "--markdown draws with matplotlib, which is not installed.", "Install it: pip install 'lenity[docs]'."
        ) from error
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "lenity", "svg.fonttype": "none", "text.parse_math": False})
    figure = Figure(figsize=(4.6 * len(panels) + 2.4, 3.6), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, value) in zip(axes, panels, strict=True):
        for run in runs:
            rows = [(row["iteration"], logged) for row in run.metrics if (logged := value(row)) is not None]
            if rows:
                x, y = zip(*rows, strict=True)
                axis.plot(
                    x, smooth(y), label=run.name, linestyle="-" if run.method == runs[0].method else "--", linewidth=1.2
                )
        axis.set(title=title, xlabel="iteration", ylabel=unit)
        axis.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7)
    figure.savefig(file, metadata={"Date": None})
