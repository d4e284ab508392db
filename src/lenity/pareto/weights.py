"""Points of the weight simplex, and their names."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

from lenity.config.suggest import did_you_mean
from lenity.errors import ConfigError

Point = Mapping[str, float]
WORDS = "corners, centre, lattice:N (multiples of 1/N), riesz:N (N evenly spread points)"
SUM_TOLERANCE = 1e-6
MOST = 1000  # points of one word; each is a run
RIESZ_STEPS = 10_000  # generated weights are multiples of 1 / RIESZ_STEPS, so that names can hold all their digits


def corners(names: Sequence[str]) -> list[dict[str, float]]:
    """One point per objective, with all weight on it.

    >>> corners(["a", "b"])
    [{'a': 1.0, 'b': 0.0}, {'a': 0.0, 'b': 1.0}]
    """
    return [{name: float(name == chosen) for name in names} for chosen in names]


def centre(names: Sequence[str], among: Sequence[str] | None = None) -> dict[str, float]:
    """The point with equal weights on ``among`` (default: all of ``names``) and 0 on the others."""
    among = list(names) if among is None else list(among)
    return {name: 1 / len(among) if name in among else 0.0 for name in names}


def lattice(names: Sequence[str], steps: int) -> list[dict[str, float]]:
    """All points whose weights are multiples of 1 / ``steps``.

    >>> lattice(["a", "b"], 2)
    [{'a': 1.0, 'b': 0.0}, {'a': 0.5, 'b': 0.5}, {'a': 0.0, 'b': 1.0}]
    """
    shares = [share for share in product(range(steps, -1, -1), repeat=len(names)) if sum(share) == steps]
    return [{name: part / steps for name, part in zip(names, share, strict=True)} for share in shares]


def riesz(names: Sequence[str], count: int) -> list[dict[str, float]]:
    """``count`` points of least Riesz energy, spread evenly for any K (Blank et al. 2021, IEEE TEVC 25(1)).

    Raises:
        ConfigError: pymoo is not installed, or ``count`` is below the number of objectives.
    """
    try:
        from pymoo.util.ref_dirs import get_reference_directions
    except ImportError as error:
        raise ConfigError(
            "points riesz:N need the package pymoo.", "Install it: pip install 'lenity[riesz]'."
        ) from error
    if count < len(names) or len(names) < 2:
        raise ConfigError(
            f"points 'riesz:{count}' are too few for {len(names)} objectives: the corners are among them.",
            f"Use riesz:{max(2, len(names))} or more.",
        )
    directions = get_reference_directions("energy", len(names), count, seed=1)
    return [dict(zip(names, _rounded(row), strict=True)) for row in directions.tolist()]


def usual(names: Sequence[str]) -> list[str]:
    """The default points of a sweep, as words.

    >>> usual(["a", "b"]), usual(["a", "b", "c"])
    (['lattice:10'], ['lattice:3'])
    """
    return {2: ["lattice:10"], 3: ["lattice:3"]}.get(len(names), ["corners", "centre"])


def points(
    names: Sequence[str], which: Sequence[str | Point | Sequence[float]] | None = None
) -> list[dict[str, float]]:
    """The distinct points that ``which`` names: ``corners``, ``centre``, ``lattice:N``, ``riesz:N``, the centre ``a+b`` of some, or weights.

    Args:
        names: the objectives.
        which: words, and weights by name or in the order of ``names``; default: :func:`usual`.

    Raises:
        ConfigError: an unknown word, or weights that are negative or do not sum to 1 within 1e-6.
    """
    distinct: list[dict[str, float]] = []
    for point in usual(names) if which is None else which:
        distinct += [new for new in _named(names, point) if not any(_same(new, old) for old in distinct)]
    return distinct


def label(weights: Point, digits: int = 4) -> str:
    """A folder name such as ``helpful0.5_harmless0.5``, without objectives of weight 0."""
    return "_".join(f"{name}{weight:.{digits}g}" for name, weight in weights.items() if weight > 0)


def labels(distinct: Sequence[Point]) -> list[str]:
    """One unique name per point, with more than four digits where names would be equal.

    >>> labels([{"a": 0.5, "b": 0.5}, {"a": 0.33333, "b": 0.66667}, {"a": 1 / 3, "b": 2 / 3}])
    ['a0.5_b0.5', 'a0.33333_b0.66667', 'a0.333333_b0.666667']
    """
    names = [label(point) for point in distinct]
    for digits in range(5, 18):
        counts = Counter(names)
        names = [
            label(point, digits) if counts[name] > 1 else name for name, point in zip(names, distinct, strict=True)
        ]
    return names


def _named(names: Sequence[str], point: str | Point | Sequence[float]) -> list[dict[str, float]]:
    if not isinstance(point, str):
        return [_listed(names, point if isinstance(point, Mapping) else _in_order(names, point))]
    word, _, number = point.partition(":")
    if point == "corners":
        return corners(names)
    if point == "centre":
        return [centre(names)]
    if word in {"lattice", "riesz"} and re.fullmatch("[1-9][0-9]{0,8}", number):
        _check_count(point, int(number) if word == "riesz" else math.comb(int(number) + len(names) - 1, len(names) - 1))
        return {"lattice": lattice, "riesz": riesz}[word](names, int(number))
    if set(point.split("+")) <= set(names):
        return [centre(names, point.split("+"))]
    hint = did_you_mean(word, ["corners", "centre", "lattice", "riesz", *names])
    raise ConfigError(
        f"points '{point}' is not known.", f"{hint} Use {WORDS}, or some of {list(names)} joined by '+'.".strip()
    )


def _check_count(word: str, count: int) -> None:
    if count > MOST:
        raise ConfigError(
            f"points '{word}' are {count:,}, more than {MOST:,}.", "Use a smaller number; each point is a run."
        )


def _in_order(names: Sequence[str], point: Sequence[float]) -> Point:
    if len(point) != len(names):
        raise ConfigError(
            f"points {list(point)} has {len(point)} weights for {len(names)} objectives.",
            f"Give one weight for each of {list(names)}.",
        )
    return dict(zip(names, point, strict=True))


def _listed(names: Sequence[str], point: Point) -> dict[str, float]:
    if unknown := set(point) - set(names):
        raise ConfigError(
            f"points {dict(point)} name {sorted(unknown)}, but the objectives are {list(names)}.",
            f"{did_you_mean(min(unknown), names)} Name only these.".strip(),
        )
    if wrong := {name: weight for name, weight in point.items() if not (math.isfinite(weight) and weight >= 0)}:
        raise ConfigError(f"points {dict(point)} have {wrong}.", "Let the weights of a point be finite and at least 0.")
    total = sum(point.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise ConfigError(f"points {dict(point)} sum to {total:.6g}.", "Let the weights of a point sum to 1.")
    return {name: float(point.get(name, 0.0)) for name in names}


def _same(first: Point, second: Point) -> bool:
    return all(abs(first[name] - second[name]) <= SUM_TOLERANCE for name in first)


def _rounded(row: Sequence[float]) -> list[float]:
    """Multiples of 1 / ``RIESZ_STEPS`` that sum to 1, each within one step of its share of ``row``."""
    exact = [share * RIESZ_STEPS / math.fsum(row) for share in row]
    parts = [math.floor(share) for share in exact]
    missing = RIESZ_STEPS - sum(parts)
    for k in sorted(range(len(row)), key=lambda k: parts[k] - exact[k])[:missing]:
        parts[k] += 1
    return [part / RIESZ_STEPS for part in parts]
