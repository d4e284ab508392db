"""Methods x weight points x seeds -> the configurations of a sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lenity.aggregation.base import RULES, Rule
from lenity.config.base import dump_member, member_name, parse_member
from lenity.config.load import parse
from lenity.config.run import RunConfig
from lenity.errors import ConfigError, WrongWeightsError
from lenity.pareto import weights

Point = Mapping[str, float]


def plan(
    config: RunConfig,
    methods: Sequence[str | Rule],
    points: Sequence[Point],
    output: Path,
    seeds: Sequence[int] | None = None,
    *,
    tokens: int | None = None,
) -> list[RunConfig]:
    """One configuration a run, in ``output/runs/<method>/<weights>``; all share ``output/standardisation.json``.

    Methods made from other runs come last, and bring those runs with them; a method that cannot be run at a point is left
    out there.

    Args:
        config: what all runs share.
        methods: names or methods.
        points: preference weights.
        output: the sweep folder.
        seeds: default: the configuration's.
        tokens: generated tokens a method and seed may take; its runs that train share them evenly.
    """
    seeds = [config.seed] if seeds is None else list(seeds)
    found: dict[str, RunConfig] = {}
    for seed in seeds:
        draft = _Draft(config, output, seed, f"_seed{seed}" if len(seeds) > 1 else "")
        for method in methods:
            for run in draft.runs(parse_member(method, RULES, "name"), points, tokens):
                if found.setdefault(run.output, run).method != run.method:
                    raise ConfigError(
                        f"two methods of the sweep write to '{run.output}'; give one a label, as {{name: ..., label: other}}"
                    )
    return sorted(found.values(), key=lambda run: bool(run.method.sources))


@dataclass(frozen=True)
class _Draft:
    """Makes the runs of one seed."""

    config: RunConfig
    output: Path
    seed: int
    suffix: str

    def runs(self, method: Rule, points: Sequence[Point], tokens: int | None) -> list[RunConfig]:
        """Of one method, those it is made from first."""
        first = [self.run(rule, point) for rule, point in method.needed(list(self.config.rewards), points)]
        found = {run.output: run for run in first}
        method = method.from_runs(first)
        for point in points:
            with contextlib.suppress(WrongWeightsError):
                run = self.run(method, point)
                found.setdefault(run.output, run)
        training = [run.output for run in found.values() if not run.method.sources]
        share = {"budget": self.config.budget.model_copy(update={"tokens": tokens // len(training)})} if tokens else {}
        return [run.model_copy(update=share) if run.output in training else run for run in found.values()]

    def run(self, method: str | Rule, point: Point) -> RunConfig:
        """One run."""
        base = self.config.dump()
        chosen = parse_member(method, RULES, "name")
        place = Path(member_name(chosen, RULES).replace(":", "_")) / (weights.label(point) + self.suffix)
        folder = self.output / "runs" / place
        data = base | {
            "output": str(folder),
            "seed": self.seed,
            "method": dump_member(chosen, RULES, "name"),
            "weights": {objective: float(point[objective]) for objective in self.config.rewards},
            "preset": None,  # the fields it filled are shared by all methods
            "standardisation": base["standardisation"] | {"file": str(self.output / "standardisation.json")},
            "logging": base["logging"] | {"progress": False},
        }
        return parse(RunConfig, data, source=f"the run {folder}")
