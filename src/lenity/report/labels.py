"""The names under which runs are compared: label or method and, where runs of one name differ in settings, those settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lenity.config.base import member_name, parse_member
from lenity.config.load import parse
from lenity.errors import LenityError
from lenity.runs.changes import FREE_TO_CHANGE
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.runs.method import METHODS

# settings that do not change the training of a policy at given weights, or whose differences are refused elsewhere
LEFT_OUT = {*FREE_TO_CHANGE, "seed", "weights", "preset", "rewards"}
FIELDS_LEFT_OUT = {
    "policy.model", "policy.revision", "standardisation.file", "method.label", "method.source", "method.solo"
}  # fmt: skip
MOST, SHORTEST, LONGEST = 3, 3, 24  # most settings in a name; fewest characters of a setting's name; most of its value
VAGUE = {"name", "kind", "type"}  # names that say too little without their section
UNKNOWN = "unknown"
Settings = dict[str, Any]


def base(config: Mapping[str, Any], known: str) -> str:
    """The label or method's name by the present ``config.yaml``; ``known``, the evaluation's, where the method is unknown here."""
    method = config.get("method")
    if isinstance(method, Mapping) and method.get("label"):
        return str(method["label"])
    with suppress(LenityError, ValueError):
        return member_name(parse_member(method, METHODS), METHODS) if method else known
    return known


def weight_free(config: Mapping[str, Any]) -> bool:
    """Whether the policy and its prompts are the same at all weights."""
    with suppress(LenityError, ValueError):
        return bool(parse_member(config.get("method", "linear"), METHODS).one_policy)
    return False


def settings(config: Mapping[str, Any], path: Path) -> Settings:
    """The settings that determine a run's training, by dotted field, without unset ones."""
    found = dict(config)
    with suppress(LenityError):
        parsed = parse(RunConfig, found, source=str(path))
        found = parsed.model_copy(update={"method": parsed.method.alone()}).dump()
        if parsed.method.sources:  # it spent no budget itself
            found["budget"] = _budget(parsed.method.sources[0], path)
    flat = _flat({name: value for name, value in found.items() if name not in LEFT_OUT})
    return {field: value for field, value in flat.items() if not _left_out(field)}


def names(bases: Sequence[str], run_settings: Sequence[Settings]) -> tuple[list[str], list[str]]:
    """One name per run, and all settings in which it differs from others of its base; runs of equal settings share both.

    >>> names(["plc", "plc"], [{"optimizer.learning_rate": 1e-5}, {"optimizer.learning_rate": 1e-4}])[0]
    ['plc, learning_rate 1e-5', 'plc, learning_rate 0.0001']
    """
    titles, details = list(bases), [""] * len(bases)
    for name in dict.fromkeys(bases):
        runs = [i for i, own in enumerate(bases) if own == name]
        differing = _differing([run_settings[i] for i in runs])
        shown = _few(differing, [run_settings[i] for i in runs])
        short = _short(shown, {field for each in run_settings for field in each})
        values_of: dict[str, str] = {}
        for i in runs:
            details[i] = _listed({field: field for field in differing}, run_settings[i])
            more = f" + {len(differing) - len(shown)} more" if len(shown) < len(differing) else ""
            titles[i] = ", ".join(filter(None, [name, _listed(short, run_settings[i])])) + more
            number, own = 2, repr([run_settings[i].get(field) for field in differing])
            while values_of.setdefault(titles[i], own) != own:
                titles[i], number = f"{titles[i].partition(' #')[0]} #{number}", number + 1
    return titles, details


def _differing(run_settings: Sequence[Settings]) -> list[str]:
    """The fields in which two runs have different known values."""
    fields = dict.fromkeys(field for each in run_settings for field in each)
    return [field for field in fields if len({repr(each.get(field)) for each in run_settings} - {repr(UNKNOWN)}) > 1]


def _few(fields: Sequence[str], run_settings: Sequence[Settings]) -> list[str]:
    """``fields`` if they are few, else the first of them that distinguish as many runs as all do."""
    if len(fields) <= MOST:
        return list(fields)

    def apart(chosen: Sequence[str]) -> int:
        return len({repr([each.get(field) for field in chosen]) for each in run_settings})

    kept: list[str] = []
    for field in fields:
        if apart([*kept, field]) > apart(kept):
            kept.append(field)
    return kept[:MOST]


def _short(fields: Sequence[str], every: set[str]) -> dict[str, str]:
    """The last parts of each field, as many as no other field ends in and as say what is meant."""
    ends = Counter(end for field in every for end in _ends(field))

    def clear(end: str) -> bool:
        return ends[end] == 1 and len(end) >= SHORTEST and end not in VAGUE

    return {field: next(filter(clear, _ends(field)), field) for field in fields}


def _ends(field: str) -> list[str]:
    parts = field.split(".")
    return [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]


def _listed(fields: Mapping[str, str], own: Settings) -> str:
    """The set fields, each with its value."""
    return ", ".join(
        f"{title} {_text(own[field])}" for field, title in fields.items() if own.get(field, UNKNOWN) != UNKNOWN
    )


def _text(value: Any) -> str:
    """``value`` in few characters.

    >>> [_text(value) for value in (1e-05, True, "/models/a/b", 20000)]
    ['1e-5', 'true', 'b', '20000']
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}".replace("e-0", "e-").replace("e+0", "e+")
    text = Path(value).name if isinstance(value, str) and "/" in value else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _flat(value: Any, field: str = "") -> Settings:
    if not isinstance(value, Mapping):
        return {} if value is None or value == [] else {field: value}
    flat: Settings = {}
    for key, part in value.items():
        flat |= _flat(part, f"{field}.{key}" if field else str(key))
    return flat


def _left_out(field: str) -> bool:
    return any(field == name or field.startswith(f"{name}.") for name in FIELDS_LEFT_OUT)


def _budget(source: str, path: Path) -> Any:
    """The budget of the run ``source`` in the sweep of ``path``."""
    for place in (path.absolute().parents[1].joinpath(*Path(source).parts[-2:]), Path(source)):
        with suppress(LenityError):
            return RunFolder(place).config.dump()["budget"]
    return {"tokens": UNKNOWN}
