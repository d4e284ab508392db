"""What is handed over as Python objects becomes files of the run, so that its configuration names all that it was made with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lenity.storage.atomic_io import writing

FOLDER = "inputs"  # of a run or sweep


class Input(Protocol):
    """Something that becomes a file or folder, whose name has a digest of what it holds."""

    @property
    def name(self) -> str:
        """Of the file."""
        ...

    def write(self, place: Path) -> None:
        """Write it, whole or not at all."""
        ...


def place_of(item: Input, folder: str | Path) -> Path:
    """Where ``item`` is kept in the folder of a run or sweep; absolute, so that a notebook elsewhere finds it."""
    return Path(folder).absolute() / FOLDER / item.name


def write_all(items: Iterable[Input], folder: str | Path) -> None:
    """Write those that are not there yet."""
    for item in items:
        place = place_of(item, folder)
        if not place.exists():
            with writing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                item.write(place)
