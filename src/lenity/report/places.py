"""At which weights and seeds methods have runs, and what they share there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from lenity.report.collect import Run

ROUNDING = 5e-5  # weights that are the same to four decimals, as folder names say them, and a little more
Place = tuple[str, int]  # weights as JSON, and a seed


@dataclass(frozen=True)
class Block:
    """Every one of ``methods`` has a run at each of ``weights`` (JSON) with each of ``seeds``."""

    methods: tuple[str, ...]
    weights: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Runs of a method, then weights, then methods: the order in which blocks are shown."""
        return len(self.weights) * len(self.seeds), len(self.weights), len(self.methods)

    @property
    def places(self) -> set[Place]:
        """Each of its weights with each of its seeds."""
        return {(weights, seed) for weights in self.weights for seed in self.seeds}


def place(run: Run) -> Place:
    """Weights as JSON, and the seed."""
    return json.dumps(run.weights, sort_keys=True), run.seed


def of_methods(runs: Iterable[Run]) -> dict[str, set[Place]]:
    """The places of each method, in the order of the runs."""
    found: dict[str, set[Place]] = {}
    for run in runs:
        found.setdefault(run.method, set()).add(place(run))
    return found


def blocks(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """What is compared: the largest set of places that two methods share, with all methods that have it, and so on until every
    method that shares a place with another is in one; one method alone is a block. Empty where nothing is shared.
    """
    if len(sets) == 1:
        return [_block(tuple(sets), *sets.values())]
    found: list[Block] = []
    for block in sorted(_shared(sets), key=lambda block: block.size, reverse=True):
        if not set(block.methods) <= {method for other in found for method in other.methods}:
            found.append(block)
    return found


def pairs(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """Every two methods that do not have the same places, with the places that they share, perhaps none."""
    return [
        _block((one, two), sets[one] & sets[two]) for one, two in combinations(sets, 2) if sets[one] != sets[two]
    ]  # fmt: skip


def matched(runs: Sequence[Run]) -> list[Run]:
    """The runs, those whose weights are another's but for rounding with that one's weights; never two of one method."""
    known: dict[str, dict[str, float]] = {}
    taken = {(run.method, place(run)[0]) for run in runs}
    for run in runs:
        text = place(run)[0]
        alike = (point for point in known.values() if _close(point, run.weights))
        other = next((point for point in alike if not _taken(runs, taken, run.weights, point)), None)
        known.setdefault(text, run.weights if other is None else other)
    return [replace(run, weights=known[place(run)[0]]) for run in runs]


def spread(runs: Sequence[Run], weight_free: AbstractSet[Path]) -> list[Run]:
    """The runs, and those of the paths ``weight_free`` at all weights that there are, where their method has none but these."""
    points = {place(run)[0]: run.weights for run in runs if not run.made_for}
    found: list[Run] = []
    for run in runs:
        own = {text for other in runs if other.method == run.method for text in [place(other)[0]]}
        everywhere = run.path in weight_free and len(own) == 1 and not run.made_for
        found += [replace(run, weights=point) for point in points.values()] if everywhere else [run]
    return found


def _taken(
    runs: Sequence[Run], taken: AbstractSet[tuple[str, str]], weights: Mapping[str, float], other: Mapping[str, float]
) -> bool:
    """Whether some method has runs at both, and so tells them apart."""
    texts = [json.dumps(point, sort_keys=True) for point in (weights, other)]
    return texts[0] != texts[1] and any(all((run.method, text) in taken for text in texts) for run in runs)


def _close(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    return set(first) == set(second) and all(abs(first[name] - second[name]) <= 1.01 * ROUNDING for name in first)


def _shared(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """What any two methods share, with all methods that have it."""
    found: dict[Block, None] = {}
    for one, two in combinations(sets, 2):
        block = _block((one, two), sets[one] & sets[two])
        if block.places:
            found[replace(block, methods=tuple(method for method in sets if block.places <= sets[method]))] = None
    return list(found)


def _block(methods: tuple[str, ...], places: AbstractSet[Place]) -> Block:
    """The most places of which each of its weights has each of its seeds; of as many, those with more weights."""
    seeds: dict[str, frozenset[int]] = {}
    for text, seed in sorted(places):
        seeds[text] = seeds.get(text, frozenset()) | {seed}
    choices = {*seeds.values(), frozenset(seed for _, seed in places)}
    found = [
        Block(methods, tuple(text for text in seeds if chosen <= seeds[text]), tuple(sorted(chosen)))
        for chosen in sorted(choices, key=sorted)
    ]
    return max(found, key=lambda block: block.size)
