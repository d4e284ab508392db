"""Conversion of ``Trainer``'s arguments to the fields of a run's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenity.config.base import TYPE, Section, dump_member, with_type
from lenity.config.load import parse
from lenity.config.suggest import did_you_mean
from lenity.data.base import DATASETS, PromptSource
from lenity.errors import ConfigError
from lenity.library.inputs import Input, place_of
from lenity.library.loaded_model import LoadedModel
from lenity.library.messages import SOURCE
from lenity.library.reward_functions import reward_fields
from lenity.library.rows import rows_of
from lenity.rewards.given import Given, GivenSpec
from lenity.runs.config import RunConfig

FIELDS = {
    "model": ("policy", "model"), "train_dataset": ("prompts",), "eval_dataset": ("held_out_prompts",), "reward_funcs": ("rewards",),
}  # fmt: skip
OUTPUT = "trainer_output"
BY_NAME = {"rewards", "held_out_rewards", "weights"}


@dataclass(frozen=True)
class Arguments:
    """A run without the paths of its inputs.

    Args:
        fields: fields by section.
        inputs: data and models from memory, by the path of the field that names their file.
        functions: reward functions, by objective.
    """

    fields: Mapping[str, Any]
    inputs: Mapping[tuple[str, ...], Input]
    functions: Mapping[str, Given]

    def config(self, folder: str | Path) -> RunConfig:
        """The configuration of a run whose inputs are saved in ``folder``."""
        data = dict(self.fields)
        for path, item in self.inputs.items():
            _put(data, path, str(place_of(item, folder)))
        return parse(RunConfig, data, source=SOURCE)


def check_given(config: RunConfig) -> None:
    """Check that every Python function among the rewards is available in this process.

    Raises:
        RewardError: a function is missing.
    """
    for spec in [*config.rewards.values(), *config.held_out_rewards.values()]:
        if isinstance(spec, GivenSpec):
            spec.check()


def arguments(args: Mapping[str, Any] | RunConfig | None, given: Mapping[str, Any], processing_class: Any) -> Arguments:
    """The fields, inputs and functions that ``Trainer``'s arguments amount to.

    Args:
        args: fields by section or with dots, or a whole configuration.
        given: the other arguments by name; None for those that were left out.
        processing_class: tokenizer of a loaded model.

    Raises:
        LenityError: an argument is missing, of the wrong kind, or set twice; the message names it.
    """
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(args, RunConfig):
        replaced = {FIELDS.get(name, (name,))[0] for name in given} - {"policy"}
        data = {section: value for section, value in args.dump().items() if section not in replaced}
    else:
        data = merged_fields({}, args or {})
        _refuse_twice(data, given)
        _refuse_missing(data, given)
    inputs: dict[tuple[str, ...], Input] = {}
    functions: dict[str, Given] = {}
    if "model" in given:
        _put_model(data, inputs, given["model"], processing_class)
    elif processing_class is not None:
        raise ConfigError("processing_class is given without model.", "Give the model whose tokenizer it is.")
    for name in ("train_dataset", "eval_dataset"):
        if name in given:
            _put_data(data, inputs, name, given[name])
    for section, argument in (("rewards", "reward_funcs"), ("held_out_rewards", "args['held_out_rewards']")):
        rewards = given.get(argument, data.get(section))
        if rewards or section == "rewards":
            data[section], more = reward_fields(rewards, argument)
            functions |= more
    if "method" in given:
        data["method"] = _method(given["method"], data.get("method"))
    elif _section(data, "method") and not _says(data, "method", {TYPE, "name"}):
        data["method"] = {TYPE: "plc", **data["method"]}  # the default of a run
    data["weights"] = _weights(given.get("weights", data.get("weights")), list(data.get("rewards", ())))
    data["output"] = str(given.get("output", data.get("output", OUTPUT)))
    return Arguments(data, inputs, functions)


def merged_fields(data: Mapping[str, Any], args: Any) -> dict[str, Any]:
    """``data`` updated with the fields of ``args``, which may be written ``{"ppo.epochs": 2}`` or ``{"ppo": {"epochs": 2}}``."""
    if not isinstance(args, Mapping):
        raise ConfigError(
            f"args is {type(args).__name__}.", "Give a dict of fields, such as {'ppo.epochs': 2}, or a RunConfig."
        )
    if wrong := [name for name in args if not isinstance(name, str)]:
        raise ConfigError(f"args has the key {wrong[0]!r}.", "Name fields by strings, such as 'ppo.epochs'.")
    leaves = [leaf for name, value in args.items() for leaf in _leaves(tuple(name.split(".")), value)]
    leaves.sort(key=lambda leaf: len(leaf[0]) > 1)  # which member it is, before the member's fields
    merged = dict(data)
    for path, leaf in leaves:
        _put(merged, path, leaf)
    return merged


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each field below ``path`` with its own path; a mapping by objective is one field, as is an unknown section, which is refused."""
    if isinstance(value, Mapping) and path[0] not in BY_NAME and path[0] in RunConfig.model_fields:
        for name, inner in value.items():
            yield from _leaves((*path, name), inner)
    else:
        yield path, value


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set the field at ``path`` in ``data``; the sections on the way are copied, not mutated."""
    first, *rest = path
    if rest:
        inner = data.get(first)
        if isinstance(inner, Section) and inner.open_set is not None:
            inner = dump_member(inner, inner.open_set)
        inner = {TYPE: inner} if isinstance(inner, str) else dict(inner) if isinstance(inner, Mapping) else {}
        _put(inner, tuple(rest), value)
        value = inner
    data[first] = value


def _refuse_twice(data: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    named = {
        "model": "model" in _section(data, "policy"),
        "method": _says(data, "method", {TYPE, "name"}),
        "train_dataset": _says(data, "prompts", {TYPE, "reader", "dataset"}),
        "eval_dataset": _says(data, "held_out_prompts", {TYPE, "reader", "dataset"}),
        **{
            argument: FIELDS.get(argument, (argument,))[0] in data for argument in ("reward_funcs", "weights", "output")
        },
    }
    for argument, also in named.items():
        if also and argument in given:
            field = ".".join(FIELDS.get(argument, (argument,)))
            raise ConfigError(f"{argument} and args['{field}'] are both given.", "Give one of the two.")


def _refuse_missing(data: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    needed = {
        "model": ("policy", "a hub name, a folder or a loaded model"),
        "reward_funcs": ("rewards", "rewards by name, such as {'helpful': 'org/helpful-rm', 'polite': polite}"),
        "train_dataset": ("prompts", "a datasets.Dataset, a list of conversations or strings, or a reader"),
    }
    for argument, (section, forms) in needed.items():
        if argument not in given and section not in data:
            raise ConfigError(f"{argument} is missing.", f"Give {forms}.")


def _says(data: Mapping[str, Any], section: str, names: set[str]) -> bool:
    """Whether ``data`` selects the member of an open section: as a name or object, or by one of the fields ``names``."""
    value = data.get(section)
    return value is not None and (not isinstance(value, Mapping) or not names.isdisjoint(value))


def _section(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = data.get(name)
    return section if isinstance(section, Mapping) else {}


def _put_model(data: dict[str, Any], inputs: dict[tuple[str, ...], Input], model: Any, tokenizer: Any) -> None:
    if isinstance(model, str | Path):
        _put(data, ("policy", "model"), str(model))
        if tokenizer is not None:
            raise ConfigError(
                f"processing_class is given, but model is the name '{model}', whose own tokenizer is loaded.",
                "Leave processing_class out, or give the loaded model with it.",
            )
        return
    _put(data, ("policy", "revision"), None)
    inputs[("policy", "model")] = LoadedModel.of(model, tokenizer)


def _put_data(data: dict[str, Any], inputs: dict[tuple[str, ...], Input], argument: str, value: Any) -> None:
    section = FIELDS[argument][0]
    if isinstance(value, PromptSource):
        fields: dict[str, Any] = dump_member(value, DATASETS)
    elif isinstance(value, Mapping) and not {TYPE, "reader"}.isdisjoint(value):
        fields = with_type(value, DATASETS)
    elif isinstance(value, str | Path):
        fields = {TYPE: value} if value in set(DATASETS) else {TYPE: "columns", "dataset": str(value)}
    else:
        fields = {TYPE: "columns"}
        inputs[(section, "dataset")] = rows_of(argument, value)
    data[section] = {**fields, **_section(data, section)}


def _method(method: Any, more: Any) -> Any:
    """The method, updated with the fields of it in ``args``."""
    if isinstance(method, type):
        raise ConfigError(f"method is the class {method.__name__}.", f"Give an instance: {method.__name__}().")
    if isinstance(method, Section) and method.open_set is not None and not isinstance(more, Mapping):
        return method
    if not isinstance(method, str | Mapping | Section):
        raise ConfigError(
            f"method is {type(method).__name__}.",
            "Give a name such as 'plc', or a rule such as lenity.PLC(temperature=0.1).",
        )
    data: dict[str, Any] = {"method": method}
    for name, value in (more or {}).items():
        _put(data, ("method", name), value)
    return data["method"]


def _weights(weights: Any, names: Sequence[str]) -> Any:
    """The weights by name; a list is in the order of the rewards, and the default is equal weights."""
    if weights is None:
        return {name: 1 / len(names) for name in names}
    if isinstance(weights, Mapping):
        if strange := [name for name in weights if name not in names]:
            raise ConfigError(
                f"weights has '{strange[0]}', but reward_funcs has {list(names)}.",
                did_you_mean(strange[0], names, "Give one weight for each reward, by the same names."),
            )
        return dict(weights)
    values = weights.tolist() if hasattr(weights, "tolist") else weights
    if not isinstance(values, list | tuple) or len(values) != len(names):
        raise ConfigError(
            f"weights is {weights!r}, but reward_funcs has {list(names)}.",
            "Give one weight for each reward, by the same names.",
        )
    return dict(zip(names, values, strict=True))
