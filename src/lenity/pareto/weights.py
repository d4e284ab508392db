"""Points of the weight simplex, and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from lenity.errors import ConfigError


def corners(names: Sequence[str]) -> list[dict[str, float]]:
    """All weight on one objective, for each.

    >>> corners(["a", "b"])
    [{'a': 1.0, 'b': 0.0}, {'a': 0.0, 'b': 1.0}]
    """
    return [{name: float(name == chosen) for name in names} for chosen in names]


def centre(names: Sequence[str], among: Sequence[str] | None = None) -> dict[str, float]:
    """Equal weights on ``among`` (default: all of ``names``), 0 on the rest."""
    among = list(names) if among is None else list(among)
    return {name: 1 / len(among) if name in among else 0.0 for name in names}


def lattice(names: Sequence[str], steps: int) -> list[dict[str, float]]:
    """Every point whose weights are multiples of 1 / ``steps``.

    >>> lattice(["a", "b"], 2)
    [{'a': 1.0, 'b': 0.0}, {'a': 0.5, 'b': 0.5}, {'a': 0.0, 'b': 1.0}]
    """
    shares = [share for share in product(range(steps, -1, -1), repeat=len(names)) if sum(share) == steps]
    return [{name: part / steps for name, part in zip(names, share, strict=True)} for share in shares]


def points(names: Sequence[str], which: Sequence[str | Mapping[str, float]]) -> list[dict[str, float]]:
    """Points called ``corners``, ``centre`` or ``lattice:N``, centres of some objectives written ``a+b``, or listed weights.

    Raises:
        ConfigError: none of these.
    """
    found: list[dict[str, float]] = []
    for point in which:
        found += [new for new in _named(names, point) if new not in found]
    return found


def _named(names: Sequence[str], point: str | Mapping[str, float]) -> list[dict[str, float]]:
    if not isinstance(point, str):
        if unknown := set(point) - set(names):
            raise ConfigError(f"points {dict(point)} name {sorted(unknown)}; the objectives are {list(names)}")
        return [{name: float(point.get(name, 0.0)) for name in names}]
    word, _, number = point.partition(":")
    if point == "corners":
        return corners(names)
    if point == "centre":
        return [centre(names)]
    if word == "lattice" and number.isdigit() and int(number) > 0:
        return lattice(names, int(number))
    if set(point.split("+")) <= set(names):
        return [centre(names, point.split("+"))]
    raise ConfigError(
        f"points '{point}' is not known; use corners, centre, lattice:N (multiples of 1/N), or objectives joined by '+' of {list(names)}"
    )


def label(weights: Mapping[str, float]) -> str:
    """A folder name such as ``helpful0.5_harmless0.5``; zeros are left out."""
    return "_".join(f"{name}{weight:.4g}" for name, weight in weights.items() if weight > 0)
