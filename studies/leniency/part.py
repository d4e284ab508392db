"""One family and number of objectives: every setting's w . J at the end of its run in each world, kept in a file as it grows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lenity.errors import CheckpointError
from lenity.lab.families import FAMILIES, Family, Problem
from lenity.storage.atomic_io import replace_text, writing
from studies.leniency.climbs import CLIMBS, Pace
from studies.leniency.settings import Setting

Array = NDArray[np.float64]
EVERY = 10.0  # seconds between writes


@dataclass(frozen=True)
class Part:
    """Worlds of one family.

    Args:
        family: name in :data:`lenity.lab.families.FAMILIES`.
        objectives: K.
        count: worlds.
        seed: of the worlds.
    """

    family: str
    objectives: int
    count: int
    seed: int = 0

    @property
    def name(self) -> str:
        """For files and headings."""
        return f"{self.family}_k{self.objectives}"

    def problem(self) -> Problem:
        """The worlds, weights and starts."""
        return FAMILIES[self.family].make(self.count, self.objectives, self.seed)


def parts(count: int, seed: int = 0, families: Iterable[str] = FAMILIES) -> list[Part]:
    """Every family with each number of objectives that it has."""
    return [Part(name, k, count, seed) for name in families for k in FAMILIES[name].objectives]


def measure(
    part: Part, chosen: Sequence[Setting], folder: Path, advance: Callable[[str], None] = lambda name: None
) -> Path:
    """Run what is missing of ``chosen`` in the worlds of ``part``; the file with all that was measured there.

    What is there already stays, unless its settings or the worlds are others now. Written every few seconds, whole or not at all.
    """
    family, problem = FAMILIES[part.family], part.problem()
    low, high = problem.worlds.attainable(problem.weights)
    key = _key(part, family, problem, high)
    file = folder / f"{part.name}.json"
    data = _read(file)
    if data.get("key") != key:
        data = {"key": key, "low": low.tolist(), "high": high.tolist(), "values": {}}
    written = time.monotonic()
    for setting in chosen:
        if data["values"].get(setting.name, {}).get("key") != setting.key():
            data["values"][setting.name] = {"key": setting.key(), "ends": _ends(problem, family, setting, part.seed)}
        if time.monotonic() - written > EVERY:
            _write(file, data)
            written = time.monotonic()
        advance(f"{part.name} {setting.name}")
    _write(file, data)
    return file


def load(file: Path, chosen: Sequence[Setting]) -> dict[str, Array]:
    """How near each of ``chosen`` came to the best: (w . J - least) / (greatest - least), (W,) by name.

    Raises:
        CheckpointError: a setting was not measured, or otherwise.
    """
    data = _read(file)
    low, high = np.array(data.get("low", ())), np.array(data.get("high", ()))
    found = {}
    for setting in chosen:
        entry = data.get("values", {}).get(setting.name, {})
        if entry.get("key") != setting.key():
            raise CheckpointError(
                f"'{file}' has no results of '{setting.name}' as it is now.", "Run python -m studies.leniency worlds."
            )
        found[setting.name] = (np.array(entry["ends"]) - low) / (high - low)
    return found


def _ends(problem: Problem, family: Family, setting: Setting, seed: int) -> list[float]:
    torch.manual_seed(seed)  # PCGrad draws the order of its projections
    rate = family.standardised_rate if setting.standardised else family.rate
    pace = Pace(family.steps, setting.pace * rate, setting.standardised)
    with torch.no_grad():
        return [round(value, 9) for value in CLIMBS[setting.climb](problem, setting.rule, pace).tolist()]


def _key(part: Part, family: Family, problem: Problem, high: Tensor) -> dict[str, Any]:
    worlds = hashlib.sha256()
    for tensor in (problem.weights, problem.start, high):
        worlds.update(np.round(tensor.numpy(), 6).tobytes())
    return {
        "family": part.family, "objectives": part.objectives, "count": part.count, "seed": part.seed, "steps": family.steps,
        "rate": family.rate, "standardised_rate": family.standardised_rate, "worlds": worlds.hexdigest()[:16],
    }  # fmt: skip


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"'{file}' is not JSON: {error}.", "Remove it to measure again.") from error
    return data


def _write(file: Path, data: dict[str, Any]) -> None:
    with writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(data) + "\n")
