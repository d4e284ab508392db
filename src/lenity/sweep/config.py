"""The configuration of a sweep: one run, and the methods, weights and seeds to vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from lenity.config.base import Section, member_name
from lenity.config.load import listed, override, parse, read_yaml
from lenity.config.plain import brief, from_yaml
from lenity.errors import ConfigError
from lenity.pareto.weights import WORDS
from lenity.runs.config import Method, RunConfig
from lenity.runs.method import METHODS
from lenity.sweep.method_fields import names_of, split, with_field

Seed = Annotated[int, Field(ge=0)]


def several(value: Any) -> Any:
    """The values of an option or a field that takes several, as a list: words separated by commas, YAML, or one value alone.

    >>> several("plc, linear"), several("[{a: 1, b: 0}]"), several(3)
    (['plc', 'linear'], [{'a': 1, 'b': 0}], [3])
    """
    if isinstance(value, str):
        return several(_yaml(value)) if value.lstrip()[:1] in {"[", "{"} else listed(value)
    return value if value is None or isinstance(value, list | tuple) else [value]


def _yaml(text: str) -> Any:
    try:
        return from_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{brief(text)} is not valid YAML.", "Write [first, second], or first,second.") from error


def _points(value: Any) -> Any:
    parts = several(value)
    return parts and [
        point for part in parts for point in (listed(part) if isinstance(part, str) else [_weights(part)])
    ]


def _weights(value: Any) -> dict[str, float] | list[float]:
    numbers = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(numbers, list | tuple) and numbers and not any(isinstance(number, bool | None) for number in numbers):
        try:
            weights = [float(number) for number in numbers]
        except (TypeError, ValueError):
            pass
        else:
            return dict(zip(map(str, value), weights, strict=True)) if isinstance(value, Mapping) else weights
    raise ValueError(
        f"{brief(value)} is not a point; write {WORDS}, objectives joined by '+', weights by objective such as "
        "{helpful: 0.3, harmless: 0.7}, or weights in the order of the rewards, [0.3, 0.7]"
    )


Points = Annotated[list[str | dict[str, float] | list[float]] | None, BeforeValidator(_points)]


class SweepConfig(Section):
    """One run per combination of methods, points and seeds; the method that ``run`` itself names has the settings given there."""

    run: RunConfig = Field(description="fields of a run, or the file that holds them")
    methods: list[Method] = Field(min_length=1, description="methods by name, or with their fields")
    points: Points = Field(
        None,
        min_length=1,
        description="points of the weights: corners, centre, lattice:N (multiples of 1/N), riesz:N (N evenly spread directions), objectives "
        "joined by '+', or weights; default: lattice:10 for two objectives, lattice:3 for three, corners and centre for more",
    )
    seeds: Annotated[list[Seed], BeforeValidator(several)] = Field(
        min_length=1, description="seeds; each method runs once per point and seed"
    )
    tokens: int | None = Field(
        None,
        ge=1,
        description="maximum of generated tokens per method and seed, divided evenly among the runs that train (a run that two "
        "methods use has the smaller share); default: no limit",
    )


def load_sweep(
    path: str | Path, overrides: Sequence[str] = (), *, notify: Callable[[str], None] | None = None, **options: Any
) -> SweepConfig:
    """The sweep in a sweep file or a run file, with ``overrides`` for the run and ``options`` for the other fields.

    An option that is None keeps the file's value. An override ``--method.x`` applies to the methods that have the field;
    ``notify`` gets a message if some have not.

    Raises:
        ConfigError: naming the field, the value found and the remedy.
    """
    data = read_yaml(path)
    data = data if "run" in data else {"run": data}
    if isinstance(data["run"], str):
        data["run"] = read_yaml(Path(path).parent / data["run"])
    if not isinstance(data["run"], dict):
        raise ConfigError(
            f"'{path}': run is {brief(data['run'])}.", "Give the fields of a run, or the name of a file that has them."
        )
    data |= {key: value for key, value in options.items() if value is not None}
    named = several(data.get("methods"))
    own, fields = split(overrides) if named else (list(overrides), [])
    run = parse(RunConfig, override(data["run"], own), source=str(path))
    methods = [own_method(run, method) for method in named or [run.method]]
    settings = {"run": run, "seeds": [run.seed]} | {key: data[key] for key in data if key != "run"}
    sweep = parse(SweepConfig, settings | {"methods": methods}, source=str(path))
    if (
        any(word.partition("=")[0] in {"--method", "--method.type", "--method.name"} for word in own)
        and run.method not in sweep.methods
    ):
        raise ConfigError(
            f"--method is {member_name(run.method, METHODS)}, but the methods of the sweep are {names_of(sweep.methods)}.",
            "Leave --method out, or name the method in --methods.",
        )
    if len(sweep.methods) > 1 and (bare := _bare(own)):
        raise ConfigError(
            f"{bare} names one method, but the sweep has {names_of(sweep.methods)}.",
            f"To sweep this method alone, give --methods {names_of([run.method])}.",
        )
    methods = list(sweep.methods)
    for field, words in fields:
        methods = with_field(methods, field, words, str(path), notify)
    return sweep.model_copy(update={"methods": methods})


def _bare(overrides: Sequence[str]) -> str | None:
    """The override that names a method without any of its fields, which has no effect in a sweep of several methods."""
    words = [part for word in overrides for part in word.split("=", 1)]
    pairs = pairwise(words)
    return next((f"{key} {value}" for key, value in pairs if key == "--method" and "{" not in value), None)


def own_method(run: RunConfig, method: Any) -> Any:
    """The run's own method if ``method`` is its registered name or its label, else ``method`` unchanged."""
    names = METHODS.name_of(type(run.method)), member_name(run.method, METHODS)
    return run.method if isinstance(method, str) and method in names else method
