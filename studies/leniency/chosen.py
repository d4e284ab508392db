"""Settings chosen on one half of the worlds, so that the other half can say what the choice is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studies.leniency.outcomes import Outcome, outcomes
from studies.leniency.settings import Setting

Array = NDArray[np.float64]
Reached = Mapping[str, Mapping[str, Array]]


def halves(reached: Reached) -> tuple[Reached, Reached]:
    """The first and the second half of each part's worlds; ``reached`` is by part and setting."""

    def half(second: bool) -> Reached:
        return {
            part: {name: values[len(values) // 2 :] if second else values[: len(values) // 2] for name, values in found.items()}
            for part, found in reached.items()
        }  # fmt: skip

    return half(False), half(True)


def pooled(reached: Reached) -> dict[str, Array]:
    """All worlds of all parts, by setting."""
    names = next(iter(reached.values()))
    return {name: np.concatenate([found[name] for found in reached.values()]) for name in names}


def most_harm(reached: Reached, settings: Sequence[Setting]) -> dict[str, tuple[float, str]]:
    """The greatest harm rate in any part, and that part, by setting."""
    by_part = {part: outcomes(settings, found, draws=2) for part, found in reached.items()}
    return {
        setting.name: max((found[i].harm.value, part) for part, found in by_part.items())
        for i, setting in enumerate(settings)
    }


def choices(first: Reached, settings: Sequence[Setting]) -> dict[str, Setting | None]:
    """By what is asked of them: never harmful in any part with the most escapes, and the least regret; of what a run can name, and of all.

    Standardised settings are left out: they have a baseline of their own.
    """
    compared = [setting for setting in settings if not setting.standardised and setting.kind != "linear"]
    harm = most_harm(first, compared)
    found = outcomes(compared, pooled(first), draws=2)
    named = [outcome for outcome in found if not outcome.setting.novel]
    return {
        "never harmful, most escapes, of what a run can name": _escaping(named, harm),
        "never harmful, most escapes, of all": _escaping(found, harm),
        "least regret, of what a run can name": _least(named),
        "least regret, of all": _least(found),
    }


def _escaping(found: Sequence[Outcome], harm: Mapping[str, tuple[float, str]]) -> Setting | None:
    safe = [outcome for outcome in found if harm[outcome.setting.name][0] == 0]
    return max(safe, key=lambda outcome: (outcome.escape.value, -outcome.regret.value)).setting if safe else None


def _least(found: Sequence[Outcome]) -> Setting | None:
    return min(found, key=lambda outcome: outcome.regret.value).setting if found else None
