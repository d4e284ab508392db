"""The configuration of a sweep: one run, and the methods, weights and seeds to vary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from lenity.aggregation.base import RULES
from lenity.config.base import Section, member_name
from lenity.config.load import override, parse, read_yaml
from lenity.config.plain import brief
from lenity.config.run import Method, RunConfig
from lenity.errors import ConfigError

Seed = Annotated[int, Field(ge=0)]


class SweepConfig(Section):
    """Methods x points x seeds; a method named like the run's own takes the run's settings."""

    run: RunConfig
    methods: list[Method] = Field(min_length=1, description="names, or names with settings")
    points: list[str | dict[str, float]] | None = Field(
        None,
        min_length=1,
        description="corners, centre, lattice:N (multiples of 1/N), riesz:N (N even directions), objectives joined by '+', "
        "or weights; default: lattice:10 for two objectives, lattice:3 for three, corners and centre for more",
    )
    seeds: list[Seed] = Field(min_length=1, description="each method runs once a point and seed")
    tokens: int | None = Field(
        None,
        ge=1,
        description="generated tokens a method and seed may take, shared evenly by the runs that train (a run that two methods use "
        "has the smaller share); default: no limit",
    )


def load_sweep(path: str | Path, overrides: Sequence[str] = (), **options: Any) -> SweepConfig:
    """Read a sweep file, or a run file, with ``overrides`` for the run and ``options`` for the rest; None leaves the file's.

    Raises:
        ConfigError: naming the field, the value found and the remedy.
    """
    data = read_yaml(path)
    data = data if "run" in data else {"run": data}
    if isinstance(data["run"], str):
        data["run"] = read_yaml(Path(path).parent / data["run"])
    if not isinstance(data["run"], dict):
        raise ConfigError(
            f"'{path}': run is {brief(data['run'])}.", "Give the fields of a run, or the name of a file with them."
        )
    data["run"] = override(data["run"], overrides)
    data |= {key: value for key, value in options.items() if value is not None}
    run = parse(RunConfig, data["run"], source=str(path))
    methods = data.get("methods") or [run.method]
    methods = [_own(run, method) for method in methods] if isinstance(methods, list) else methods
    settings = {"run": run, "seeds": [run.seed]} | {key: data[key] for key in data if key != "run"}
    return parse(SweepConfig, settings | {"methods": methods}, source=str(path))


def _own(run: RunConfig, method: Any) -> Any:
    """The run's method where ``method`` is its bare name, or the name that it is shown under."""
    names = RULES.name_of(type(run.method)), member_name(run.method, RULES)
    return run.method if isinstance(method, str) and method in names else method
