"""The exact optimum, by dynamic programming over (automaton state, words used).

Scores depend only on the request's kind and the automaton's final state. The states that can be reached with at most ``max_words``
words, each with its shortest path, therefore give every score vector that a response can have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lenity.toy.language import KINDS, MAX_WORDS, WORDS, Request, WordClass
from lenity.toy.scores import Scores, State, advance, value

Array = NDArray[np.float64]
Path = tuple[WordClass, ...]


@lru_cache(maxsize=64)
def outcomes(
    kind: str, classes: tuple[WordClass, ...] = tuple(WordClass), max_words: int = MAX_WORDS
) -> dict[Scores, Path]:
    """Every score vector that a response of at most ``max_words`` words of ``classes`` can have, with a shortest such response."""
    reached: dict[State, tuple[State, WordClass] | None] = {State(): None}
    layer = [State()]
    for _ in range(max_words):
        following = []
        for state in layer:
            for word in classes:
                after = advance(kind, state, word)
                if after not in reached:
                    reached[after] = (state, word)
                    following.append(after)
        layer = following
    ends: dict[Scores, State] = {}
    for state in reached:  # in order of length, so the first one is the shortest
        ends.setdefault(value(kind, state), state)
    return {vector: _path(state, reached) for vector, state in ends.items()}


def _path(state: State, reached: dict[State, tuple[State, WordClass] | None]) -> Path:
    words: list[WordClass] = []
    step = reached[state]
    while step is not None:
        words.append(step[1])
        step = reached[step[0]]
    return tuple(reversed(words))


@lru_cache(maxsize=64)
def _nondominated(kind: str, classes: tuple[WordClass, ...], max_words: int) -> tuple[Scores, ...]:
    points = sorted(outcomes(kind, classes, max_words), reverse=True)
    return tuple(points[i] for i in np.flatnonzero(_keep(np.array(points))))


def _keep(points: Array) -> NDArray[np.bool_]:
    import moocore

    return np.asarray(moocore.is_nondominated(points, maximise=True), dtype=bool)


def nondominated(kind: str, classes: Iterable[WordClass] = tuple(WordClass), max_words: int = MAX_WORDS) -> Array:
    """The non-dominated score vectors of one kind of request, (n, 3), columns helpful, harmless, humorous."""
    return np.array(_nondominated(kind, tuple(classes), max_words))


def best(
    kind: str, weights: Sequence[float], classes: Iterable[WordClass] = tuple(WordClass), max_words: int = MAX_WORDS
) -> Scores:
    """The score vector with the largest weighted sum; ties are broken by the largest plain sum, then by the largest vector in order."""
    points = _nondominated(kind, tuple(classes), max_words)
    return max(points, key=lambda point: (round(float(np.dot(weights, point)), 9), round(sum(point), 9), point))


def best_scalar(weights: Sequence[float]) -> float:
    """The largest weighted sum that any policy can have, averaged over the three kinds of request."""
    return float(np.dot(weights, exact_front([weights])[0]))


def exact_front(weights_list: Iterable[Sequence[float]]) -> Array:
    """The mean reward vector, over the three kinds, of the optimal deterministic policy for each weights, (n, 3)."""
    return np.array([np.mean([best(kind, weights) for kind in KINDS], axis=0) for weights in weights_list]).reshape(
        -1, 3
    )


@lru_cache(maxsize=1)
def _mean_front() -> Array:
    total = np.zeros((1, 3))
    for kind in KINDS:
        sums = (total[:, None] + nondominated(kind)[None]).reshape(-1, 3)
        sums = np.unique(sums.round(6), axis=0)
        total = sums[_keep(sums)]
    return total / len(KINDS)


def mean_front() -> Array:
    """Every non-dominated mean vector of policies that give one kind of response to each kind of request, (n, 3)."""
    return _mean_front().copy()


def spell(path: Iterable[WordClass], request: Request, choose: Sequence[float] = ()) -> str:
    """A response to ``request`` with the word classes of ``path``; the numbers in [0, 1) of ``choose`` select the words, by default the first."""
    words = []
    for i, word in enumerate(path):
        among = request.nouns or ("it",) if word is WordClass.TOPIC else WORDS.get(word, ("it",))
        among = tuple(w for w in among if word is WordClass.TOPIC or w not in request.nouns)
        words.append(among[int(choose[i] * len(among)) if i < len(choose) else 0])
    return "".join(f" {word}" for word in words)


def best_response(request: Request, weights: Sequence[float]) -> str:
    """A shortest best response to ``request`` for ``weights``."""
    return spell(outcomes(request.kind)[best(request.kind, weights)], request)
