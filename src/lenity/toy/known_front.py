"""Writes the toy world's exact front to a sweep's folder, for its report: ``python -m lenity.toy.known_front FOLDER``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from lenity.errors import ConfigError
from lenity.runs.config import RunConfig
from lenity.toy.rewards import ToyRewardSpec
from lenity.toy.scores import PREFERENCES

FILE = "best_front.json"


def write(folder: Path, configs: Sequence[RunConfig]) -> Path:
    """The path of ``best_front.json``, after the exact optimum at each of the runs' weightings and the whole front were written.

    Values are raw exact scores.

    Raises:
        ConfigError: the runs do not measure all three exact scores.
    """
    from lenity.toy.front import exact_front, mean_front

    rewards = {**configs[0].rewards, **configs[0].held_out_rewards}
    columns: dict[str, str] = {
        spec.preference: name for name, spec in rewards.items() if isinstance(spec, ToyRewardSpec)
    }
    if missing := [name for name in PREFERENCES if name not in columns]:
        raise ConfigError(
            f"the runs have no exact rule of {missing}.", "Add held_out_rewards of kind toy, which `measures` name."
        )
    weights = list({tuple(config.weights.items()): config.weights for config in configs}.values())
    shares = [[point.get(name, 0.0) for name in PREFERENCES] for point in weights]
    data = {
        "objectives": [columns[name] for name in PREFERENCES],
        "weights": weights,
        "at_weights": exact_front(shares).tolist(),
        "front": mean_front().tolist(),
    }
    (folder / FILE).write_text(json.dumps(data) + "\n", encoding="utf-8")
    return folder / FILE


def main() -> None:
    """Write the front for the finished runs in FOLDER."""
    from lenity.evaluation.folder import runs_in

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a sweep folder")
    folder = parser.parse_args().folder
    print(write(folder, [run.config for run in runs_in(folder)]))


if __name__ == "__main__":
    main()
