"""Signs of what a report leaves out: runs, methods, weights, seeds, prompts, and scores that are in no view."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.report.collect import JUDGE, JUDGED, Run, measuring, read_failures
from lenity.report.comparison import Comparison
from lenity.report.evidence import Evidence
from lenity.report.signs import MOST_NAMED, Sign
from lenity.suggest import command


def left_out(evidence: Evidence) -> list[Sign]:
    """All of them."""
    return [
        *_failed(evidence), *_uncompared(evidence), *_unjudged(evidence), *_unshown(evidence),
        *(sign for comparison in evidence.comparisons for sign in _of_comparison(evidence, comparison)),
    ]  # fmt: skip


def _failed(evidence: Evidence) -> list[Sign]:
    """Runs of the sweep that ended with an error, and so may be missing."""
    failures = read_failures(evidence.folder)
    if not failures:
        return []
    told = [f"{run} ({error})" for run, error in failures.items()]
    look = "Comparisons are over what is left; the same `lenity sweep` command runs them again."
    return [Sign(f"{len(told)} run{'s' if len(told) > 1 else ''} failed", _named(told), look)]


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
    look = "Some method has no run at the others; sweep all methods over the same weights and seeds."
    return [Sign("Not all weights and seeds are compared", f"{' and '.join(parts)} are", look)] if parts else []


def _unjudged(evidence: Evidence) -> list[Sign]:
    """Runs that are newer than the judge's scores, and objectives that it was not asked about."""
    if not (evidence.folder / JUDGED).is_file():
        return []
    runs, trained = evidence.runs, list(evidence.runs[0].weights)
    rated = [run.columns & {JUDGE + name for name in trained} for run in runs]
    missing = [run.name for run, columns in zip(runs, rated, strict=True) if not columns]
    if missing:
        what = f"{len(missing)} run{'s are' if len(missing) > 1 else ' is'} not judged"
        look = f"The judge's view is left out; run `{command('judge', evidence.folder)}` again: only new responses are asked about."
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


def _of_comparison(evidence: Evidence, comparison: Comparison) -> list[Sign]:
    """Missing scores and methods."""
    view, found = comparison.view.name, []
    if comparison.missing:
        share = comparison.missing / (comparison.missing + comparison.prompts)
        where = f"{comparison.missing} prompts ({100 * share:.0f} %) by {view}"
        look = "These prompts are left out for all methods; see the judge's raw answers and its failures."
        found.append(Sign("Scores are missing", where, look))
    compared = {one.method for one in comparison.methods}
    left = [method for method in dict.fromkeys(run.method for run in evidence.runs) if method not in compared]
    if left:
        look = "They lack most of the others' weights or seeds; their points are drawn, but no figure is given."
        found.append(Sign("Methods are left out of the comparison", f"{', '.join(left)} by {view}", look))
    return found


def _named(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more
