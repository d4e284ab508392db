"""Signs of what a report leaves out: runs, methods, weights, seeds, prompts, and scores that are in no view."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lenity.config.suggest import command
from lenity.evaluation.places import of_iteration
from lenity.report import judge, places, records
from lenity.report.collect import Run, measuring
from lenity.report.comparison import Comparison, Pair
from lenity.report.evidence import Evidence
from lenity.report.judge import JUDGE, JUDGED
from lenity.report.panels.base import weights_text
from lenity.report.signs import MOST_NAMED, Sign
from lenity.report.tables import count, listed


def left_out(evidence: Evidence) -> list[Sign]:
    """All of them."""
    return [
        *_failed(evidence), *_unfinished(evidence), *_uncompared(evidence), *_alone(evidence), *_unpaired(evidence), *_guessed(evidence),
        *_one_label(evidence), *_rounded(evidence), *_unjudged(evidence), *_unshown(evidence),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(comparison)),
    ]  # fmt: skip


def _failed(evidence: Evidence) -> list[Sign]:
    """Runs of the sweep that ended with an error, and so may be missing."""
    failures = records.failures(evidence.read)
    if not failures:
        return []
    told = [f"{run} ({error})" for run, error in failures.items()]
    look = "Comparisons are over what is left; the same `lenity sweep` command runs them again."
    return [Sign(f"{count(len(told), 'run')} failed", _named(told), look)]


def _unfinished(evidence: Evidence) -> list[Sign]:
    """Runs that have begun and were not evaluated, other than those that failed."""
    failed = records.failures(evidence.read)
    names = [name for name in records.unfinished(evidence.read) if name not in failed]
    look = "Finish and evaluate them, by the same `lenity sweep` command or with `lenity train --resume` and `lenity evaluate`."
    return [Sign(f"{count(len(names), 'run')} not evaluated", _named(names), look)] if names else []


def _uncompared(evidence: Evidence) -> list[Sign]:
    """Weights and seeds that some compared method lacks, the same in all views."""
    comparison = evidence.main
    compared = {one.method for one in comparison.methods}
    runs = [run for run in evidence.runs if run.method in compared]
    parts = [
        f"{kept} of {known} {name}"
        for name, kept, known in (
            ("weightings", len(comparison.weights), len({tuple(sorted(run.weights.items())) for run in runs})),
            ("seeds", len(comparison.seeds), len({run.seed for run in runs})),
        )
        if kept < known
    ]
    look = "Some method has no run at the others: the table of weights and seeds says which; sweep all methods over the same."
    return [Sign("Not all weights and seeds are compared", f"{' and '.join(parts)} are", look)] if parts else []


def _alone(evidence: Evidence) -> list[Sign]:
    """Methods that are compared with none."""
    compared = {one.method for one in evidence.main.everyone}
    left = [method for method in dict.fromkeys(run.method for run in evidence.runs) if method not in compared]
    look = "They share no weights and seeds with another method; their points are drawn, but no figure is given."
    return [Sign("Methods are left out of the comparison", listed(left), look)] if left else []


def _unpaired(evidence: Evidence) -> list[Sign]:
    """Runs of compared methods that enter no figure, as no other method has their weights and seed, or seeds are incomplete there."""
    main = evidence.main
    every: list[Comparison | Pair] = [*main.all, *main.pairs]
    used = {
        (method, json.dumps(weights, sort_keys=True), seed)
        for found in every
        for method in _names(found)
        for weights in found.weights
        for seed in found.seeds
    }
    compared = {method for method, _, _ in used}
    names = [
        f"{run.method}, {weights_text(run.weights)}, seed {run.seed}"
        for run in evidence.runs
        if run.method in compared and (run.method, *places.place(run)) not in used
    ]
    look = "No other method has a run there, or not with all seeds: they are drawn and in the table of rewards, but enter no other figure."
    return [Sign(f"{count(len(names), 'run')} in no comparison", _named(names), look)] if names else []


def _names(found: Comparison | Pair) -> list[str]:
    return [found.method, found.baseline] if isinstance(found, Pair) else [one.method for one in found.methods]


def _guessed(evidence: Evidence) -> list[Sign]:
    """Runs that count as made for others although no record says so."""
    guessed = [run for run in evidence.helpers if not run.recorded]
    names = list(dict.fromkeys(f"{run.method}, for {', '.join(run.made_for)}" for run in guessed))
    look = (
        "The sweep's record does not say whether they were asked for; name the run folders themselves to compare them."
    )
    return [Sign("Runs count as made for other methods alone", _named(names), look)] if names else []


def _one_label(evidence: Evidence) -> list[Sign]:
    """Labels that were given to runs of several settings."""
    settings: dict[str, dict[str, None]] = {}
    for run in evidence.runs:
        method = run.config.get("method")
        label = method.get("label") if isinstance(method, dict) else None
        if label and run.method != label + of_iteration(run.iteration, run.config["iterations"]):
            settings.setdefault(str(label), {})[run.method] = None
    names = [f"{label}: {'; '.join(methods)}" for label, methods in settings.items()]
    look = "Runs of one label differ in settings, which their names say here; give them labels of their own (method.label)."
    return [Sign("One label stands for several settings", _named(names), look)] if names else []


def _rounded(evidence: Evidence) -> list[Sign]:
    """Weights that were taken for others."""
    pairs = []
    for run in evidence.runs:
        own = json.loads(run.frame["weights"].iloc[0])
        if 1e-9 < max(abs(own[name] - weight) for name, weight in run.weights.items()) < 1e-3:
            exact = ", ".join(f"{name} {weight:.6g}" for name, weight in own.items() if weight)
            pairs.append(f"{run.method} {exact} as {', '.join(f'{n} {w:.6g}' for n, w in run.weights.items() if w)}")
    look = "They are the same to four decimals, and no method has both."
    return (
        [Sign("Weights that differ by rounding are taken as one", _named(list(dict.fromkeys(pairs))), look)]
        if pairs
        else []
    )


def _unjudged(evidence: Evidence) -> list[Sign]:
    """Runs that are newer than the judge's scores, and objectives that it was not asked about."""
    judged = [folder for folder in evidence.read if (folder / JUDGED).is_file()]
    if not judged:
        return []
    if judge.scores(judged) is None:
        look = "Scores of two judges, or of one asked twice, do not compare: judge the runs in one folder."
        return [
            Sign("The judge's scores are left out", f"{_named(list(map(str, judged)))} were judged differently", look)
        ]
    runs, trained = evidence.runs, list(evidence.runs[0].weights)
    rated = [run.columns & {JUDGE + name for name in trained} for run in runs]
    missing = [run.name for run, columns in zip(runs, rated, strict=True) if not columns]
    if missing:
        what = f"{len(missing)} run{'s are' if len(missing) > 1 else ' is'} not judged"
        look = f"The judge's view is left out; run `{command('judge', *evidence.read)}` again: only new responses are asked about."
        return [Sign(what, _named(list(dict.fromkeys(missing))), look)]
    objectives = [name for name in trained if not all(JUDGE + name in columns for columns in rated)]
    if objectives:
        look = "The judge's view is left out, but hacking is looked for in what it rated; name all with --objectives, with --rubrics where there is none."
        return [Sign("The judge did not rate every objective", f"no score of {', '.join(objectives)}", look)]
    return []


def _unshown(evidence: Evidence) -> list[Sign]:
    """Held-out rewards whose scores are in no view, each with the reason."""
    shown = {column for one in evidence.comparisons for column in one.view.columns.values()}
    names = dict.fromkeys(name for run in evidence.runs for name in run.held_out if name not in shown)
    reasons = [f"{name} ({_why(name, evidence.runs)})" for name in names]
    if not reasons:
        return []
    look = "Set held_out_rewards.NAME.measures to the trained objective that a reward scores; the view needs one for each objective in every run."
    return [Sign("Held-out rewards are in no view", "; ".join(reasons), look)]


def _why(name: str, runs: Sequence[Run]) -> str:
    lacking = sum(name not in run.columns for run in runs)
    if lacking:
        return f"{lacking} of {len(runs)} runs lack it"
    known = measuring(runs)
    if name not in known:
        return "it measures no trained objective"
    if rivals := [other for other, of in known.items() if of == known[name] and other != name and JUDGE not in other]:
        return f"{known[name]} is measured by {', '.join(rivals)} too"
    return "not every objective is measured"


def _of_comparison(comparison: Comparison) -> list[Sign]:
    """Missing scores."""
    view, found = comparison.view.name, []
    if comparison.missing:
        share = comparison.missing / (comparison.missing + comparison.prompts)
        where = f"{comparison.missing} prompts ({100 * share:.0f} %) by {view}"
        look = "These prompts are left out for all methods; see the judge's raw answers and its failures."
        found.append(Sign("Scores are missing", where, look))
    return found


def _named(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more
