"""The places of methods, which are pairs of weights and seed, and the places that methods share."""

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

ROUNDING = 5e-5  # half of the last of the four decimals in folder names
Place = tuple[str, int]  # weights as JSON, and a seed


@dataclass(frozen=True)
class Block:
    """Methods, weights (JSON) and seeds such that each method has a run at each of the weights with each of the seeds."""

    methods: tuple[str, ...]
    weights: tuple[str, ...]
    seeds: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int, int]:
        """Runs per method, weights, methods: the sort key of blocks."""
        return len(self.weights) * len(self.seeds), len(self.weights), len(self.methods)

    @property
    def places(self) -> set[Place]:
        """All pairs of its weights and seeds."""
        return {(weights, seed) for weights in self.weights for seed in self.seeds}


def place(run: Run) -> Place:
    """The weights of a run as JSON, and its seed."""
    return json.dumps(run.weights, sort_keys=True), run.seed


def of_methods(runs: Iterable[Run]) -> dict[str, set[Place]]:
    """The places of each method, in the order of the runs."""
    sets: dict[str, set[Place]] = {}
    for run in runs:
        sets.setdefault(run.method, set()).add(place(run))
    return sets


def blocks(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """The blocks that are compared, largest first: sets of places that two methods share, with all methods that have these places.

    A block is added only for a method that is in none so far. A single method is a block; where nothing is shared there is none.
    """
    if len(sets) == 1:
        return [_block(tuple(sets), *sets.values())]
    chosen: list[Block] = []
    for block in sorted(_shared(sets), key=lambda block: block.size, reverse=True):
        if not set(block.methods) <= {method for other in chosen for method in other.methods}:
            chosen.append(block)
    return chosen


def pairs(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """One block per two methods whose places differ, of the places that they share, perhaps none."""
    return [
        _block((one, two), sets[one] & sets[two]) for one, two in combinations(sets, 2) if sets[one] != sets[two]
    ]  # fmt: skip


def matched(runs: Sequence[Run]) -> list[Run]:
    """The runs, with weights that are equal up to rounding made equal, unless a method has runs at both."""
    known: dict[str, dict[str, float]] = {}
    present = {(run.method, place(run)[0]) for run in runs}
    for run in runs:
        text = place(run)[0]
        alike = (point for point in known.values() if _close(point, run.weights))
        other = next((point for point in alike if not _distinct(runs, present, run.weights, point)), None)
        known.setdefault(text, run.weights if other is None else other)
    return [replace(run, weights=known[place(run)[0]]) for run in runs]


def spread(runs: Sequence[Run], weight_free: AbstractSet[Path]) -> list[Run]:
    """The runs, with those in ``weight_free`` repeated at all weights, where their method has runs at one weighting only."""
    points = {place(run)[0]: run.weights for run in runs if not run.made_for}
    repeated: list[Run] = []
    for run in runs:
        own = {text for other in runs if other.method == run.method for text in [place(other)[0]]}
        everywhere = run.path in weight_free and len(own) == 1 and not run.made_for
        repeated += [replace(run, weights=point) for point in points.values()] if everywhere else [run]
    return repeated


def _distinct(
    runs: Sequence[Run], present: AbstractSet[tuple[str, str]], weights: Mapping[str, float], other: Mapping[str, float]
) -> bool:
    """Whether a method has runs at both weights, which are then distinct."""
    texts = [json.dumps(point, sort_keys=True) for point in (weights, other)]
    return texts[0] != texts[1] and any(all((run.method, text) in present for text in texts) for run in runs)


def _close(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    return set(first) == set(second) and all(abs(first[name] - second[name]) <= 1.01 * ROUNDING for name in first)


def _shared(sets: Mapping[str, AbstractSet[Place]]) -> list[Block]:
    """The blocks of places that any two methods share, each with all methods that have these places."""
    shared: dict[Block, None] = {}
    for one, two in combinations(sets, 2):
        block = _block((one, two), sets[one] & sets[two])
        if block.places:
            shared[replace(block, methods=tuple(method for method in sets if block.places <= sets[method]))] = None
    return list(shared)


def _block(methods: tuple[str, ...], places: AbstractSet[Place]) -> Block:
    """The largest block within ``places``; of equally large ones, the one with more weights."""
    seeds: dict[str, frozenset[int]] = {}
    for text, seed in sorted(places):
        seeds[text] = seeds.get(text, frozenset()) | {seed}
    choices = {*seeds.values(), frozenset(seed for _, seed in places)}
    candidates = [
        Block(methods, tuple(text for text in seeds if chosen <= seeds[text]), tuple(sorted(chosen)))
        for chosen in sorted(choices, key=sorted)
    ]
    return max(candidates, key=lambda block: block.size)
