"""Methods x weight points x seeds -> the configurations of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lenity.aggregation.base import RULES
from lenity.config.base import member_name
from lenity.config.load import parse
from lenity.config.run import RunConfig
from lenity.pareto.weights import label


def plan(
    config: RunConfig,
    methods: Sequence[str],
    points: Sequence[Mapping[str, float]],
    output: Path,
    seeds: Sequence[int] | None = None,
) -> list[RunConfig]:
    """One configuration a run, in ``output/runs/<method>/<weights>``; all share ``output/standardisation.json``.

    The base configuration's settings of its own method are kept; other methods take their defaults.
    """
    base = config.dump()
    own = member_name(config.method, RULES)
    seeds = [config.seed] if seeds is None else list(seeds)
    found = []
    for seed in seeds:
        for method in methods:
            for weights in points:
                name = label(weights) + (f"_seed{seed}" if len(seeds) > 1 else "")
                data = base | {
                    "output": str(Path(output) / "runs" / method.replace(":", "_") / name),
                    "seed": seed,
                    "method": base["method"] if method == own else {"name": method},
                    "weights": {objective: float(weights[objective]) for objective in config.rewards},
                    "standardisation": base["standardisation"] | {"file": str(Path(output) / "standardisation.json")},
                    "logging": base["logging"] | {"progress": False},
                }
                found.append(parse(RunConfig, data, source=f"the run {method}/{name}"))
    return found
