"""The form of a warning."""

from __future__ import annotations

from dataclasses import dataclass

MOST_NAMED = 4  # places named in one warning


@dataclass(frozen=True)
class Place:
    """Where a sign was seen, and how strong it is there."""

    strength: float
    name: str
    text: str


@dataclass(frozen=True)
class Sign:
    """What was seen, where, and what to look at."""

    what: str
    where: str
    look: str


def strongest(places: list[Place], words: tuple[str, str], of: int) -> list[Sign]:
    """One warning of a kind, with the places where it is strongest; none without any."""
    if not places:
        return []
    order = sorted(places, key=lambda place: -place.strength)[:MOST_NAMED]
    named = "; ".join(f"{place.name} ({place.text})" for place in order)
    most = "strongest at " if len(places) > MOST_NAMED else ""
    return [Sign(words[0], f"{len(places)} of {of} policies: {most}{named}", words[1])]
