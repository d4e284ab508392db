"""Points of the weight simplex, and their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def points(names: Sequence[str], which: Sequence[str]) -> list[dict[str, float]]:
    """Points called ``corners`` or ``centre``, or centres of some objectives written ``a+b``."""
    found: list[dict[str, float]] = []
    for name in which:
        if name == "corners":
            found += corners(names)
        elif name == "centre":
            found.append(centre(names))
        elif set(name.split("+")) <= set(names):
            found.append(centre(names, name.split("+")))
        else:
            raise ConfigError(
                f"points '{name}' is not known; use corners, centre, or objectives joined by '+' of {list(names)}"
            )
    return found


def label(weights: Mapping[str, float]) -> str:
    """A folder name such as ``helpful0.5_harmless0.5``; zeros are left out."""
    return "_".join(f"{name}{weight:.4g}" for name, weight in weights.items() if weight > 0)
