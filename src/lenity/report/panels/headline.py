"""Sentences on what was compared and which methods are better. "Better" is written only where a paired interval excludes 0."""

from __future__ import annotations

from collections.abc import Sequence

from lenity.report.comparison import MAIN, Comparison, Summary
from lenity.report.evidence import Evidence
from lenity.report.panels.bars import verdict
from lenity.report.panels.base import signed, weights_text
from lenity.report.spots import Spot
from lenity.report.tables import count, listed

FEW = 5  # methods whose intervals are written in a sentence


def setting(evidence: Evidence) -> list[tuple[str, str]]:
    """Terms and descriptions of methods, objectives, weights, seeds and prompts."""
    runs = evidence.runs
    methods = list(dict.fromkeys(run.method for run in runs))
    weights = {tuple(sorted(run.weights.items())) for run in runs}
    seeds = sorted({run.seed for run in runs})
    return [
        ("Methods", listed(methods)),
        *_made_for(evidence),
        *_differences(evidence),
        ("Objectives", ", ".join(runs[0].weights)),
        ("Policies", f"{len({run.path for run in runs})}, at {count(len(weights), 'weighting')}"),
        ("Seeds", ", ".join(map(str, seeds))),
        ("Prompts", f"{runs[0].frame['prompt_id'].nunique()}, held out from training"),
        ("Views", ", ".join(one.view.name for one in evidence.comparisons)),
    ]


def _made_for(evidence: Evidence) -> list[tuple[str, str]]:
    """A term for runs made only for other methods, where there are any."""
    users: dict[str, dict[str, None]] = {}
    for run in evidence.helpers:
        users.setdefault(run.method, {}).update(dict.fromkeys(run.made_for))
    texts = [f"{method} ({', '.join(names)})" for method, names in users.items()]
    return [("Not compared, as made only for other methods", "; ".join(texts))] if texts else []


def _differences(evidence: Evidence) -> list[tuple[str, str]]:
    """A term for the settings in which runs of one method differ, where they do."""
    settings = {run.method: run.differs for run in evidence.runs if run.differs}
    return (
        [("Settings that differ", "; ".join(f"{method}: {text}" for method, text in settings.items()))]
        if settings
        else []
    )


def sentences(comparison: Comparison, spots: Sequence[Spot]) -> list[str]:
    """One sentence per comparison of a view on which methods are better, and one on methods that are not compared."""
    texts = [sentence(one, spots, named=len(comparison.all) > 1) for one in comparison.all]
    apart = [f"{pair.method} and {pair.baseline}" for pair in comparison.pairs if not pair.weights]
    if comparison.methods and apart:
        texts.append(f"By {comparison.view.name}: {_and(apart)} share no weights and seeds, so they are not compared.")
    return texts


def sentence(comparison: Comparison, spots: Sequence[Spot], *, named: bool = False) -> str:
    """A sentence on which methods of one comparison are better; ``named`` adds its weights, where they are few."""
    view = f"By {comparison.view.name}"
    if not comparison.methods:
        return f"{view}: the methods share no weights and seeds, so nothing is compared."
    if len(comparison.methods) == 1:
        return f"{view}: {comparison.methods[0].method} alone, over the reference policy: {_alone(comparison, spots)}."
    size = f"{count(len(comparison.weights), 'weighting')}, {count(len(comparison.seeds), 'seed')}, {comparison.prompts} prompts"
    if named and len(comparison.weights) <= FEW:
        size += f"; at {', or '.join(map(weights_text, comparison.weights))}"
    others = [one for one in comparison.methods if one.over]
    groups: dict[tuple[str, ...], list[Summary]] = {}
    for one in others:
        groups.setdefault(tuple(verdict(one.over[name], 1) for name in MAIN), []).append(one)
    unclear = [one.method for one in groups.pop(("none",) * len(MAIN), [])]
    texts = [_group(words, methods, intervals=len(others) <= FEW) for words, methods in groups.items()]
    if unclear:
        texts.append(f"for {_and(unclear)} no difference in {' or '.join(MAIN)} is clear")
    return f"{view} ({size}), against {comparison.baseline}: {'; '.join(texts)}."


def _group(words: Sequence[str], methods: Sequence[Summary], *, intervals: bool) -> str:
    """The clear differences of methods with the same verdicts ``words``; one by one with ``intervals``."""
    if intervals and len(methods) > 1:
        return "; ".join(_group(words, [one], intervals=True) for one in methods)
    parts = []
    for word in ("better", "worse"):
        names = [name for name, own in zip(MAIN, words, strict=True) if own == word]
        texts = [f"{name} ({signed(methods[0].over[name])})" if intervals else name for name in names]
        parts += [f"{word} in {_and(texts)}"] if names else []
    return f"{_and([one.method for one in methods])} {'is' if len(methods) == 1 else 'are'} {_and(parts)}"


def _alone(comparison: Comparison, spots: Sequence[Spot]) -> str:
    """The number of weightings at which each objective changed clearly."""
    own = [spot for spot in spots if spot.method == comparison.methods[0].method]
    parts = []
    for k, name in enumerate(comparison.objectives):
        words = [verdict(spot.gain[k], 1) for spot in own]
        parts.append(
            f"{name} better at {words.count('better')} and worse at {words.count('worse')} of {count(len(own), 'weighting')}"
        )
    return "; ".join(parts)


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [listed(words[:-1]), *words[-1:]]))
