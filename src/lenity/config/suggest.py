"""What to type instead or next: the name that was probably meant, in one wording everywhere, and commands that can be pasted."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable


def closest(name: object, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is spelt most like ``name``; None where none is alike.

    >>> closest("trian", ["train", "sweep"]), closest("zzz", ["train"])
    ('train', None)
    """
    words = {word.lower(): word for word in known}
    near = difflib.get_close_matches(str(name).lower(), words, n=1)
    return words[near[0]] if near else None


def did_you_mean(name: object, known: Iterable[str], otherwise: str = "") -> str:
    """A question as the remedy of an error, or ``otherwise`` where nothing is alike.

    >>> did_you_mean("trian", ["train", "sweep"]), did_you_mean("zzz", ["train"], "See --help.")
    ("Did you mean 'train'?", 'See --help.')
    """
    near = closest(name, known)
    return f"Did you mean '{near}'?" if near else otherwise


def command(*words: object) -> str:
    """A command of Lenity for a shell.

    >>> print(command("report", "runs/my models"))
    lenity report 'runs/my models'
    """
    return shlex.join(["lenity", *map(str, words)])
