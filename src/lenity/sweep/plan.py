"""Methods x weight points x seeds -> the configurations of a sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from lenity.aggregation.base import RULES, Rule
from lenity.config.base import dump_member, member_name, parse_member
from lenity.config.load import parse
from lenity.config.run import RunConfig
from lenity.errors import WrongWeightsError
from lenity.pareto import weights


def plan(
    config: RunConfig,
    methods: Sequence[str],
    points: Sequence[Mapping[str, float]],
    output: Path,
    seeds: Sequence[int] | None = None,
) -> list[RunConfig]:
    """One configuration a run, in ``output/runs/<method>/<weights>``; all share ``output/standardisation.json``.

    The base configuration's settings of its own method are kept; other methods take their defaults. Methods made from other runs
    come last, and bring those runs with them; a method that cannot be run at a point is left out there.
    """
    own = member_name(config.method, RULES)
    seeds = [config.seed] if seeds is None else list(seeds)
    found: dict[str, RunConfig] = {}
    for seed in seeds:
        suffix = f"_seed{seed}" if len(seeds) > 1 else ""
        for name in methods:
            method = config.method if name == own else parse_member(name, RULES, "name")
            first = [
                _run(config, rule, point, output=output, seed=seed, suffix=suffix)
                for rule, point in method.needed(list(config.rewards), points)
            ]
            found |= {run.output: run for run in first}
            method = method.from_runs(first)
            for point in points:
                with contextlib.suppress(WrongWeightsError):
                    run = _run(config, method, point, output=output, seed=seed, suffix=suffix)
                    found.setdefault(run.output, run)
    return sorted(found.values(), key=lambda run: bool(run.method.sources))


def _run(
    config: RunConfig, method: str | Rule, point: Mapping[str, float], *, output: Path, seed: int, suffix: str
) -> RunConfig:
    base = config.dump()
    chosen = parse_member(method, RULES, "name")
    folder = Path(output) / "runs" / member_name(chosen, RULES).replace(":", "_") / (weights.label(point) + suffix)
    data = base | {
        "output": str(folder),
        "seed": seed,
        "method": dump_member(chosen, RULES, "name"),
        "weights": {objective: float(point[objective]) for objective in config.rewards},
        "standardisation": base["standardisation"] | {"file": str(Path(output) / "standardisation.json")},
        "logging": base["logging"] | {"progress": False},
    }
    return parse(RunConfig, data, source=f"the run {folder}")
