"""Held-out rows that are also training rows: a comparison of texts, and a check for one file under two split names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from lenity.config.stages import Rows
from lenity.data.base import PromptSource
from lenity.data.loading import is_file, split_names
from lenity.errors import ConfigError, DataError

T = TypeVar("T")
UNSEEN = re.compile(
    "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)  # soft hyphens, joiners, directions, byte order marks


def same(text: str) -> str:
    r"""The normal form of ``text``, equal for texts that differ only in white space, case, invisible characters and Unicode forms.

    >>> same("\n\nHuman: Hi  there\n\nAssistant:") == same("\n\nhuman:  \uff28i\u200b there \n\nAssistant:")
    True
    """
    if not text.isascii():
        text = UNSEEN.sub("", unicodedata.normalize("NFKC", text))
    return " ".join(text.casefold().split())


def seen(texts: Iterable[str], trained: Iterable[str]) -> set[str]:
    """The :func:`same` of those ``texts`` that are among the ``trained`` ones, which are iterated over once."""
    return {same(text) for text in texts}.intersection(map(same, trained))


def unseen(items: Sequence[T], trained: Iterable[str], texts: Callable[[T], Sequence[str]], field: str) -> list[T]:
    """The held-out ``items`` without those that have a text among the ``trained`` ones.

    Raises:
        DataError: no item is left.
    """
    seen_texts = seen((text for item in items for text in texts(item)), trained)
    kept = [item for item in items if seen_texts.isdisjoint(map(same, texts(item)))]
    if items and not kept:
        raise none_left(field, len(items))
    return kept


def none_left(field: str, count: int) -> DataError:
    """The error for a held-out set whose rows are all training rows."""
    return DataError(
        f"{field}: all of the {count:,} are among the training data.", "Name data that training does not use."
    )


def check_split(
    held_out: PromptSource | Rows | None, trained: PromptSource | Rows | None, fields: tuple[str, str]
) -> None:
    """Raise ``ConfigError`` if held-out and training data are one single file under two split names, which has the same rows.

    Args:
        held_out: held-out data.
        trained: training data.
        fields: the fields of the two in the configuration.

    Raises:
        ConfigError: the message names the fields and the file.
    """
    if held_out is None or trained is None or split_names(held_out.split) == split_names(trained.split):
        return
    both = product(*([str(getattr(source, name)) for name in source.places] for source in (held_out, trained)))
    for ours, theirs in both:
        if is_file(ours) and is_file(theirs) and Path(ours).expanduser().samefile(Path(theirs).expanduser()):
            raise ConfigError(
                f"{fields[0]}.split is '{held_out.split}' and {fields[1]}.split '{trained.split}', but '{ours}' is one file, whose "
                "rows are the same by any name.",
                "Name another file, or slices of one split such as train[:90%] and train[90%:].",
            )
