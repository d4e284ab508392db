"""Methods x weight points x seeds -> the configurations of a sweep."""

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
    """One configuration a run, in ``output/runs/<method>/<weights>``, with ``_seed<n>`` where the seed is not that of ``config``;
    all share ``output/standardisation.json``.

    Methods made from other runs come last, and bring those runs with them. A run whose training another run does anyway takes
    its adapter. A method that cannot be run at a point is left out there; a run that two methods share has the smaller budget of
    the two, so that neither takes more than its tokens.

    Args:
        config: what all runs share.
        methods: names or methods.
        points: preference weights.
        output: the sweep folder; runs that were begun in it keep what they are made from.
        seeds: default: the configuration's.
        tokens: generated tokens a method and seed may take; its runs that train share them evenly.

    Raises:
        ConfigError: a method can be run at no point, has less than a token a run, or writes where another does.
    """
    seeds = [config.seed] if seeds is None else list(seeds)
    distinct = {_key(config, point): point for point in [*points, *weights.corners(list(config.rewards))]}
    names = dict(zip(distinct, weights.labels(list(distinct.values())), strict=True))
    found: dict[str, RunConfig] = {}
    for seed in seeds:
        draft = _Draft(config, output, names, seed, "" if seed == config.seed else f"_seed{seed}")
        for method in methods:
            recipe = parse_member(method, METHODS)
            recipe.check_objectives(list(config.rewards))
            for run in draft.runs(recipe, points, tokens):
                found[run.output] = _both(found.get(run.output, run), run)
    runs = [_begun(_spared(run, list(found.values()))) for run in found.values()]
    return sorted(runs, key=lambda run: bool(run.method.sources))


def made_for(
    configs: Sequence[RunConfig], methods: Sequence[str | Method | Rule], points: Sequence[Point]
) -> dict[str, list[str]]:
    """The methods that need each run of the plan that was not asked for, neither its method nor it at these weights, by its output."""
    asked = {member_name(parse_member(method, METHODS), METHODS) for method in methods}
    places = {_key(config, point) for config in configs[:1] for point in points}
    found: dict[str, list[str]] = {}
    for config in configs:
        if member_name(config.method, METHODS) not in asked or _key(config, config.weights) not in places:
            users = (member_name(other.method, METHODS) for other in configs if needs(other, config))
            found[config.output] = list(dict.fromkeys(users))
    return found


def needs(user: RunConfig, run: RunConfig) -> bool:
    """Whether ``user`` cannot be made without ``run``; one that would train the same itself can."""
    methods = (method for method, _ in user.method.alone().needed(list(user.rewards), [user.weights]))
    needed = {member_name(parse_member(method, METHODS), METHODS) for method in methods}
    taken = {Path(source).parts[-2:] for source in user.method.sources}
    return member_name(run.method, METHODS) in needed and Path(run.output).parts[-2:] in taken


@dataclass(frozen=True)
class _Draft:
    """Makes the runs of one seed; ``names`` are the folders of points."""

    config: RunConfig
    output: Path
    names: Mapping[tuple[float, ...], str]
    seed: int
    suffix: str

    def runs(self, method: Method, points: Sequence[Point], tokens: int | None) -> list[RunConfig]:
        """Of one method, those it is made from first."""
        first = [self.run(other, point) for other, point in method.needed(list(self.config.rewards), points)]
        found = {run.output: run for run in first}
        method = method.from_runs(first)
        for point in points:
            with contextlib.suppress(WrongWeightsError):
                run = self.run(method, point)
                found.setdefault(run.output, run)
        if not found:
            raise ConfigError(
                f"method {member_name(method, METHODS)} can be run at none of the points {[dict(point) for point in points]}.",
                "Add 'corners' to points, or leave the method out.",
            )
        return self._shared(list(found.values()), method, tokens)

    def _shared(self, runs: Sequence[RunConfig], method: Method, tokens: int | None) -> list[RunConfig]:
        """``runs``, those of them that train with their share of ``tokens``."""
        training = [run.output for run in runs if not run.method.sources]
        if tokens is None or not training:
            return list(runs)
        if tokens < len(training):
            raise ConfigError(
                f"tokens is {tokens}, which {len(training)} runs of method {member_name(method, METHODS)} are to share.",
                f"Give at least {len(training)}, or name fewer points.",
            )
        share = {"budget": self.config.budget.model_copy(update={"tokens": tokens // len(training)})}
        return [run.model_copy(update=share) if run.output in training else run for run in runs]

    def run(self, method: str | Method, point: Point) -> RunConfig:
        """One run."""
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
            "preset": None,  # the fields it filled are shared by all methods
            "standardisation": base["standardisation"] | {"file": str(self.output / "standardisation.json")},
            "logging": base["logging"] | {"progress": False},
        }
        return parse(RunConfig, data, source=f"the run {folder}")

    def _estimator(self, method: Method) -> Estimator | None:
        """The one that the sweep's run asks for, where ``method`` has none of its own and trains in the loop."""
        given = self.config.method.estimator is None
        own = method.estimator is not None or (method.loop_rule is None and not method.sources)
        return self.config.estimator if given and not own else None


def _key(config: RunConfig, point: Point) -> tuple[float, ...]:
    return tuple(float(point[objective]) for objective in config.rewards)


def _both(first: RunConfig, second: RunConfig) -> RunConfig:
    """The one run that two methods of a sweep have in common."""
    if first.method != second.method:
        raise ConfigError(
            f"two methods of the sweep write to '{first.output}'.",
            "Give one a label, as {type: ..., label: other}.",
        )
    return min(first, second, key=lambda run: run.budget.tokens or math.inf)


def _spared(run: RunConfig, runs: Sequence[RunConfig]) -> RunConfig:
    """``run`` itself, or, where another of ``runs`` is the very same training, ``run`` with that one's adapter."""
    method = run.method
    if not isinstance(method, Sharing) or method.sources or (twin := method.twin(run.weights)) is None:
        return run
    for other in runs:
        same = (other.weights, other.seed, other.budget) == (run.weights, run.seed, run.budget)
        if same and METHODS.name_of(type(other.method)) == twin and not other.method.sources:
            return run.model_copy(update={"method": method.taken_from(other)})
    return run


def _begun(run: RunConfig) -> RunConfig:
    """``run`` as it was begun, where it was: made from the same runs, with the constants of the same file."""
    folder = RunFolder(run.output)
    with contextlib.suppress(LenityError):  # the run itself will say what is wrong with its folder
        if folder.started and folder.config.method.alone() == run.method.alone():
            file = {"file": folder.config.standardisation.file}
            kept = {"method": folder.config.method, "standardisation": run.standardisation.model_copy(update=file)}
            return run.model_copy(update=kept)
    return run
