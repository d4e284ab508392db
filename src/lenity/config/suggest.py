"""What to type instead or next: the name that was probably meant, and commands that can be pasted."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable


def closest(name: object, known: Iterable[str]) -> str | None:
    """The name in ``known`` that is spelt most like ``name``; None where none is similar.

    >>> closest("trian", ["train", "sweep"]), closest("zzz", ["train"])
    ('train', None)
    """
    words = {word.lower(): word for word in known}
    near = difflib.get_close_matches(str(name).lower(), words, n=1)
    return words[near[0]] if near else None


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy "Did you mean ...?" with the closest name, or ``otherwise`` where none is similar.

    >>> did_you_mean("trian", ["train", "sweep"]), did_you_mean("zzz", ["train"], "See --help.")
    ("Did you mean 'train'?", 'See --help.')
    """
    near = closest(name, known)
    return f"Did you mean '{near}'?" if near else otherwise


def command(*words: object) -> str:
    """A command of Lenity, quoted for a shell.

    >>> print(command("report", "runs/my models"))
    lenity report 'runs/my models'
    """
    return shlex.join(["lenity", *map(str, words)])
