"""Inputs from memory (data sets, models), saved as files of the run, so that its configuration names everything it was made with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lenity.storage.atomic_io import writing

FOLDER = "inputs"  # within the folder of a run or sweep


class Input(Protocol):
    """An object that can be saved as a file or folder, with a name that contains a digest of its content."""

    @property
    def name(self) -> str:
        """The name of the file or folder."""
        ...

    def write(self, place: Path) -> None:
        """Write the file or folder atomically."""
        ...


def place_of(item: Input, folder: str | Path) -> Path:
    """The path of ``item`` in the folder of a run or sweep; absolute, so that it holds in any working directory."""
    return Path(folder).absolute() / FOLDER / item.name


def write_all(items: Iterable[Input], folder: str | Path) -> None:
    """Write the items that ``folder`` does not have yet."""
    for item in items:
        place = place_of(item, folder)
        if not place.exists():
            with writing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
                item.write(place)
