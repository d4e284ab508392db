"""Warnings about what a report leaves out: runs, methods, weights, seeds, prompts, and scores that are in no view."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lenity.config.suggest import command
from lenity.evaluation.places import of_iteration
from lenity.report import judge, places, records
from lenity.report.collect import Run, measuring
from lenity.report.comparison import Comparison, Pair
from lenity.report.evidence import Evidence
from lenity.report.judge import JUDGE, JUDGED
from lenity.report.panels.base import weights_text
from lenity.report.tables import count, listed

MOST_NAMED = 4  # names in one warning


@dataclass(frozen=True)
class Sign:
    """One warning: what was observed, where, and what to do about it."""

    what: str
    where: str
    advice: str


def left_out(evidence: Evidence) -> list[Sign]:
    """The warnings about everything that is left out."""
    return [
        *_failed(evidence), *_unfinished(evidence), *_uncompared(evidence), *_alone(evidence), *_unpaired(evidence), *_guessed(evidence),
        *_one_label(evidence), *_rounded(evidence), *_unjudged(evidence), *_unshown(evidence),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(comparison)),
    ]  # fmt: skip


def _failed(evidence: Evidence) -> list[Sign]:
    """A warning about runs of the sweep that ended with an error."""
    failures = records.failures(evidence.read)
    if not failures:
        return []
    names = [f"{run} ({error})" for run, error in failures.items()]
    advice = "The other runs are compared; the same `lenity sweep` command runs the failed ones again."
    return [Sign(f"{count(len(names), 'run')} failed", _named(names), advice)]


def _unfinished(evidence: Evidence) -> list[Sign]:
    """A warning about runs that have started, have not failed and are not evaluated."""
    failed = records.failures(evidence.read)
    names = [name for name in records.unfinished(evidence.read) if name not in failed]
    advice = "Finish and evaluate them with the same `lenity sweep` command, or with `lenity train --resume` and `lenity evaluate`."
    return [Sign(f"{count(len(names), 'run')} not evaluated", _named(names), advice)] if names else []


def _uncompared(evidence: Evidence) -> list[Sign]:
    """A warning about weights and seeds that a compared method lacks."""
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
    advice = "A method has no run at the others: the table of weights and seeds shows which. Sweep all methods over the same weights and seeds."
    return [Sign("Not all weights and seeds are compared", f"{' and '.join(parts)} are", advice)] if parts else []


def _alone(evidence: Evidence) -> list[Sign]:
    """A warning about methods that are compared with no other."""
    compared = {one.method for one in evidence.main.everyone}
    left = [method for method in dict.fromkeys(run.method for run in evidence.runs) if method not in compared]
    advice = "They share no weights and seeds with another method: their points are drawn, but they have no metrics."
    return [Sign("Methods are left out of the comparison", listed(left), advice)] if left else []


def _unpaired(evidence: Evidence) -> list[Sign]:
    """A warning about runs of compared methods at weights and seeds that are not compared."""
    main = evidence.main
    every: list[Comparison | Pair] = [*main.all, *main.pairs]
    used = {
        (method, json.dumps(weights, sort_keys=True), seed)
        for part in every
        for method in _names(part)
        for weights in part.weights
        for seed in part.seeds
    }
    compared = {method for method, _, _ in used}
    names = [
        f"{run.method}, {weights_text(run.weights)}, seed {run.seed}"
        for run in evidence.runs
        if run.method in compared and (run.method, *places.place(run)) not in used
    ]
    advice = "No other method has a run there, or not with all seeds: they are drawn and in the table of rewards, but enter no metric."
    return [Sign(f"{count(len(names), 'run')} in no comparison", _named(names), advice)] if names else []


def _names(part: Comparison | Pair) -> list[str]:
    return [part.method, part.baseline] if isinstance(part, Pair) else [one.method for one in part.methods]


def _guessed(evidence: Evidence) -> list[Sign]:
    """A warning about runs that are inferred to be made for other methods."""
    guessed = [run for run in evidence.helpers if not run.recorded]
    names = list(dict.fromkeys(f"{run.method}, for {', '.join(run.made_for)}" for run in guessed))
    advice = "The sweep's record does not say whether they were asked for; name their folders to compare them."
    return [Sign("Runs are taken to be made for other methods only", _named(names), advice)] if names else []


def _one_label(evidence: Evidence) -> list[Sign]:
    """A warning about labels shared by runs with different settings."""
    settings: dict[str, dict[str, None]] = {}
    for run in evidence.runs:
        method = run.config.get("method")
        label = method.get("label") if isinstance(method, dict) else None
        if label and run.method != label + of_iteration(run.iteration, run.config["iterations"]):
            settings.setdefault(str(label), {})[run.method] = None
    names = [f"{label}: {'; '.join(methods)}" for label, methods in settings.items()]
    advice = "Runs with the same label differ in settings, which are added to their names; give them different labels (method.label)."
    return [Sign("One label has several settings", _named(names), advice)] if names else []


def _rounded(evidence: Evidence) -> list[Sign]:
    """A warning about weights that are replaced by others, equal up to rounding."""
    pairs = []
    for run in evidence.runs:
        own = json.loads(run.frame["weights"].iloc[0])
        if 1e-9 < max(abs(own[name] - weight) for name, weight in run.weights.items()) < 1e-3:
            exact = ", ".join(f"{name} {weight:.6g}" for name, weight in own.items() if weight)
            pairs.append(f"{run.method} {exact} as {', '.join(f'{n} {w:.6g}' for n, w in run.weights.items() if w)}")
    advice = "They are equal to four decimals, and no method has both."
    return (
        [Sign("Weights that differ by rounding are treated as equal", _named(list(dict.fromkeys(pairs))), advice)]
        if pairs
        else []
    )


def _unjudged(evidence: Evidence) -> list[Sign]:
    """A warning about runs newer than the judge's scores, or objectives that it was not asked about."""
    judged = [folder for folder in evidence.read if (folder / JUDGED).is_file()]
    if not judged:
        return []
    if judge.scores(judged) is None:
        advice = "Scores of two judges, or of one asked twice, cannot be compared: judge the runs in one folder."
        return [
            Sign("The judge's scores are left out", f"{_named(list(map(str, judged)))} were judged differently", advice)
        ]
    runs, trained = evidence.runs, list(evidence.runs[0].weights)
    rated = [run.columns & {JUDGE + name for name in trained} for run in runs]
    missing = [run.name for run, columns in zip(runs, rated, strict=True) if not columns]
    if missing:
        what = f"{len(missing)} run{'s are' if len(missing) > 1 else ' is'} not judged"
        advice = f"The judge's view is left out; run `{command('judge', *evidence.read)}` again: only new responses are asked about."
        return [Sign(what, _named(list(dict.fromkeys(missing))), advice)]
    objectives = [name for name in trained if not all(JUDGE + name in columns for columns in rated)]
    if objectives:
        advice = "The judge's view is left out, but its scores are used to detect reward hacking. Name all objectives with --objectives; --rubrics adds rubrics."
        return [Sign("The judge did not rate every objective", f"no score of {', '.join(objectives)}", advice)]
    return []


def _unshown(evidence: Evidence) -> list[Sign]:
    """A warning about held-out rewards that are in no view, with the reasons."""
    shown = {column for one in evidence.comparisons for column in one.view.columns.values()}
    names = dict.fromkeys(name for run in evidence.runs for name in run.held_out if name not in shown)
    reasons = [f"{name} ({_why(name, evidence.runs)})" for name in names]
    if not reasons:
        return []
    advice = "Set held_out_rewards.NAME.measures to the trained objective that the reward measures; the view needs one per objective in every run."
    return [Sign("Held-out rewards are in no view", "; ".join(reasons), advice)]


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
    """A warning about prompts left out because of missing scores."""
    if not comparison.missing:
        return []
    share = comparison.missing / (comparison.missing + comparison.prompts)
    where = f"{comparison.missing} prompts ({100 * share:.0f} %) by {comparison.view.name}"
    advice = "These prompts are left out for all methods; see the judge's raw answers and its failures."
    return [Sign("Scores are missing", where, advice)]


def _named(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more
