"""Translation of error messages for Python users: arguments of ``Trainer`` instead of fields of a file and command-line options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from lenity.config.explain import fields_at
from lenity.errors import ConfigError, LenityError
from lenity.runs.config import RunConfig

SOURCE = "the arguments"  # the source that messages name for a configuration made from arguments
SECTIONS = {"prompts": "train_dataset", "held_out_prompts": "eval_dataset"}
ARGUMENTS = {"policy.model": "model", "policy": "model", "rewards": "reward_funcs", **SECTIONS}
FLAGS = {
    "--resume": "resume=True", "--allow-changes": "allow_changes=True", "--strict": "strict=True", "--output": "output",
    "--jobs": "jobs", "--methods": "methods", "--points": "points", "--seeds": "seeds", "--checkpoint": "checkpoint",
    "--tokens": "tokens", "--base-model": "base_model", "--merge": "merge=True",
}  # fmt: skip
SWEPT = {"methods", "points", "seeds", "tokens"}  # arguments of lenity.sweep
WHOLE = {"dataset", "type", "split", "reader"}  # fields of a reader that train_dataset and eval_dataset set

_OPTION = re.compile(r"--[a-z][a-z_-]*(?:\.[\w-]+)*")
_DOTTED = re.compile(r"(?<![\w./'\"\[-])([a-z_]+)((?:\.[\w-]+)+)(?![\w/])")
_PLACE = re.compile(rf"(?m)^((?:{SOURCE}: |  - ))([a-z_]+(?:\.[^:\n]*?)?)(?=: )")
_WORDS = [
    (re.compile(rf"(?m)^{SOURCE}: "), ""),
    (re.compile(rf"(?m)^{SOURCE} has "), "there are "),
    (re.compile(r"\bheld_out_prompts\b"), "eval_dataset"),
    (re.compile(r"\bprompts(?= \([^()]* \([^()]*\)\))"), "train_dataset"),  # as sources name it
    (re.compile(r"(?<![\w.'])(held_out_rewards|reward_noise)\b(?![.'])"), r"args['\1']"),
    (re.compile(r"\bbut rewards for\b"), "but reward_funcs for"),
    (re.compile(r"(?<!unknown )\breward '([^']+)'"), r"reward_funcs['\1']"),
    (re.compile(r"Set it in the file or as (\S+)(?: value)?\."), r"Set \1."),
    (re.compile(r"[Tt]he same command"), "the same call"),
    (re.compile(r"\bin the configuration\b"), "in the arguments"),
]


@contextmanager
def naming_arguments(objectives: Iterable[str] = ()) -> Iterator[None]:
    """A context whose errors name Python arguments.

    Args:
        objectives: names of the rewards, by which ``rewards.polite`` is recognised as a field.

    Raises:
        LenityError: the error raised within, with its message translated; also for pydantic's ``ValidationError``.
    """
    names = list(objectives)
    try:
        yield
    except ValidationError as error:
        raise ConfigError(in_python(str(error), names), "Correct the value.") from error
    except LenityError as error:
        error.what, error.remedy = in_python(error.what, names), in_python(error.remedy, names)
        error.args = error.what, error.remedy
        raise


def in_python(text: str, objectives: Iterable[str] = ()) -> str:
    """``text`` with arguments of ``Trainer`` instead of options and fields.

    >>> in_python("policy.model is 'x'. Set it with --ppo.epochs value, or add --resume.")
    "model is 'x'. Set it with args['ppo.epochs'], or add resume=True."
    """
    names = set(objectives)
    text = _PLACE.sub(lambda found: found[1] + argument(found[2]), text)
    text = re.sub(rf"({_OPTION.pattern}) value\b", r"\1", text)
    text = _OPTION.sub(lambda found: FLAGS.get(found[0]) or _field(found[0][2:], names) or found[0], text)
    text = _DOTTED.sub(lambda found: _field(found[0], names) or found[0], text)
    for pattern, word in _WORDS:
        text = pattern.sub(word, text)
    return text


def argument(field: str) -> str:
    """The Python argument that holds a field of ``RunConfig``.

    >>> [argument(field) for field in ("policy.model", "rewards.a.model", "prompts.dataset", "prompts.limit", "method", "seed")]
    ['model', "reward_funcs['a'].model", 'train_dataset', "args['prompts.limit']", 'method', "args['seed']"]
    """
    section, _, rest = field.partition(".")
    if section in {"rewards", "weights"} and rest:
        name, dot, inner = rest.partition(".")
        return f"{ARGUMENTS.get(section, section)}['{name}']{dot}{inner}"
    if section in SECTIONS and (not rest or rest in WHOLE):
        return SECTIONS[section]
    if field in ARGUMENTS:
        return ARGUMENTS[field]
    if section in SWEPT:
        return f"{section}[{rest}]" if rest else section
    return field if section in {"weights", "method", "output"} else f"args['{field}']"


def _field(dotted: str, objectives: set[str]) -> str | None:
    """The argument for ``dotted`` if it is a field of a run; None if it is anything else, such as the name of a file."""
    section, _, rest = dotted.partition(".")
    if section not in RunConfig.model_fields:
        return None
    first = rest.partition(".")[0]
    if not rest or section in {*SECTIONS, "method", "estimator"}:
        return argument(dotted)
    known = objectives if section in {"rewards", "weights"} else fields_at(RunConfig, {}, (section,))
    return argument(dotted) if first in known or section == "held_out_rewards" else None
