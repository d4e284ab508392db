"""The configurations of a sweep's runs: methods x weight points x seeds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenity.config.base import dump_member, member_name, parse_member
from lenity.config.load import parse
from lenity.errors import ConfigError, LenityError, WrongWeightsError
from lenity.estimators import Estimator
from lenity.methods.sharing import Sharing
from lenity.pareto import weights
from lenity.rules import Rule
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.runs.method import METHODS, Method

Point = Mapping[str, float]


def plan(
    config: RunConfig,
    methods: Sequence[str | Method | Rule],
    points: Sequence[Point],
    output: Path,
    seeds: Sequence[int] | None = None,
    *,
    tokens: int | None = None,
) -> list[RunConfig]:
    """One configuration per run, with the output folder ``output/runs/<method>/<weights>``, plus ``_seed<n>`` where the seed is not
    that of ``config``. All runs share ``output/standardisation.json``.

    Methods that are made from other runs come last, and the plan includes those runs. A run whose training is identical to
    another run's takes that run's adapter. A method that cannot be run at a point is left out there. A run that two methods
    share has the smaller of the two budgets, so that neither method exceeds its tokens.

    Args:
        config: the fields that all runs share.
        methods: names or methods.
        points: preference weights.
        output: the sweep folder; runs that were started in it keep the runs that they are made from.
        seeds: default: the configuration's.
        tokens: maximum of generated tokens per method and seed, divided evenly among the runs that train.

    Raises:
        ConfigError: a method can be run at no point, has less than one token per run, or has the output folder of another method.
    """
    seeds = [config.seed] if seeds is None else list(seeds)
    distinct = {_key(config, point): point for point in [*points, *weights.corners(list(config.rewards))]}
    names = dict(zip(distinct, weights.labels(list(distinct.values())), strict=True))
    by_output: dict[str, RunConfig] = {}
    for seed in seeds:
        draft = _Draft(config, output, names, seed, "" if seed == config.seed else f"_seed{seed}")
        for method in methods:
            recipe = parse_member(method, METHODS)
            recipe.check_objectives(list(config.rewards))
            for run in draft.runs(recipe, points, tokens):
                by_output[run.output] = _both(by_output.get(run.output, run), run)
    runs = [_begun(_spared(run, list(by_output.values()))) for run in by_output.values()]
    return sorted(runs, key=lambda run: bool(run.method.sources))


def made_for(
    configs: Sequence[RunConfig], methods: Sequence[str | Method | Rule], points: Sequence[Point]
) -> dict[str, list[str]]:
    """The methods that need a run, by the run's output folder, for runs that the plan has though they were not requested.

    A run is requested if its method is one of ``methods`` and its weights are one of ``points``.
    """
    names = {member_name(parse_member(method, METHODS), METHODS) for method in methods}
    keys = {_key(config, point) for config in configs[:1] for point in points}
    users_of: dict[str, list[str]] = {}
    for config in configs:
        if member_name(config.method, METHODS) not in names or _key(config, config.weights) not in keys:
            users = (member_name(other.method, METHODS) for other in configs if needs(other, config))
            users_of[config.output] = list(dict.fromkeys(users))
    return users_of


def needs(user: RunConfig, run: RunConfig) -> bool:
    """Whether ``user`` cannot be made without ``run``; a run that could train the same adapter itself does not need it."""
    methods = (method for method, _ in user.method.alone().needed(list(user.rewards), [user.weights]))
    needed = {member_name(parse_member(method, METHODS), METHODS) for method in methods}
    sources = {Path(source).parts[-2:] for source in user.method.sources}
    return member_name(run.method, METHODS) in needed and Path(run.output).parts[-2:] in sources


@dataclass(frozen=True)
class _Draft:
    """The configurations of one seed; ``names`` holds the folder name of each point."""

    config: RunConfig
    output: Path
    names: Mapping[tuple[float, ...], str]
    seed: int
    suffix: str

    def runs(self, method: Method, points: Sequence[Point], tokens: int | None) -> list[RunConfig]:
        """The runs of one method, preceded by the runs that it is made from."""
        first = [self.run(other, point) for other, point in method.needed(list(self.config.rewards), points)]
        by_output = {run.output: run for run in first}
        method = method.from_runs(first)
        for point in points:
            with contextlib.suppress(WrongWeightsError):
                run = self.run(method, point)
                by_output.setdefault(run.output, run)
        if not by_output:
            raise ConfigError(
                f"method {member_name(method, METHODS)} can be run at none of the points {[dict(point) for point in points]}.",
                "Add 'corners' to points, or leave the method out.",
            )
        return self._shared(list(by_output.values()), method, tokens)

    def _shared(self, runs: Sequence[RunConfig], method: Method, tokens: int | None) -> list[RunConfig]:
        """``runs``, where each that trains has an equal share of ``tokens`` as its budget."""
        training = [run.output for run in runs if not run.method.sources]
        if tokens is None or not training:
            return list(runs)
        if tokens < len(training):
            raise ConfigError(
                f"tokens is {tokens}, fewer than the {len(training)} runs of method {member_name(method, METHODS)} that share them.",
                f"Give at least {len(training)}, or name fewer points.",
            )
        share = {"budget": self.config.budget.model_copy(update={"tokens": tokens // len(training)})}
        return [run.model_copy(update=share) if run.output in training else run for run in runs]

    def run(self, method: str | Method, point: Point) -> RunConfig:
        """The configuration of ``method`` at ``point``."""
        base = self.config.dump()
        chosen = parse_member(method, METHODS)
        name = self.names.get(_key(self.config, point)) or weights.label(point)
        folder = self.output / "runs" / member_name(chosen, METHODS).replace(":", "_") / (name + self.suffix)
        data = base | {
            "output": str(folder),
            "seed": self.seed,
            "method": dump_member(chosen, METHODS),
            "weights": {objective: float(point[objective]) for objective in self.config.rewards},
            "estimator": self._estimator(chosen),
            "preset": None,  # its fields are in the dump already, for all methods
            "standardisation": base["standardisation"] | {"file": str(self.output / "standardisation.json")},
            "logging": base["logging"] | {"progress": False},
        }
        return parse(RunConfig, data, source=f"the run {folder}")

    def _estimator(self, method: Method) -> Estimator | None:
        """The estimator of the sweep's run, for a method that trains in the loop and has none of its own; else None."""
        configured = self.config.method.estimator is None
        own = method.estimator is not None or (method.loop_rule is None and not method.sources)
        return self.config.estimator if configured and not own else None


def _key(config: RunConfig, point: Point) -> tuple[float, ...]:
    return tuple(float(point[objective]) for objective in config.rewards)


def _both(first: RunConfig, second: RunConfig) -> RunConfig:
    """The run that two methods of a sweep share, with the smaller of the two budgets."""
    if first.method != second.method:
        raise ConfigError(
            f"two methods of the sweep write to '{first.output}'.",
            "Give one of them a label, as in {type: ..., label: other}.",
        )
    return min(first, second, key=lambda run: run.budget.tokens or math.inf)


def _spared(run: RunConfig, runs: Sequence[RunConfig]) -> RunConfig:
    """``run``, or, if another of ``runs`` trains identically, ``run`` changed to take that run's adapter."""
    method = run.method
    if not isinstance(method, Sharing) or method.sources or (twin := method.twin(run.weights)) is None:
        return run
    for other in runs:
        same = (other.weights, other.seed, other.budget) == (run.weights, run.seed, run.budget)
        if same and METHODS.name_of(type(other.method)) == twin and not other.method.sources:
            return run.model_copy(update={"method": method.taken_from(other)})
    return run


def _begun(run: RunConfig) -> RunConfig:
    """``run``, or, if its folder has been started, ``run`` with the source runs and the file of constants recorded there."""
    folder = RunFolder(run.output)
    with contextlib.suppress(LenityError):  # the run itself will raise what is wrong with its folder
        if folder.started and folder.config.method.alone() == run.method.alone():
            file = {"file": folder.config.standardisation.file}
            kept = {"method": folder.config.method, "standardisation": run.standardisation.model_copy(update=file)}
            return run.model_copy(update=kept)
    return run
