"""The frozen standardisation constants: read from a file if it exists, otherwise measured on the reference policy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from lenity.console.progress import track
from lenity.distributed import seeds
from lenity.distributed.processes import ALONE, Processes
from lenity.distributed.sharding import unsharded
from lenity.rewards.asking import check_columns
from lenity.rewards.standardise import Standardiser
from lenity.runs.config import RunConfig
from lenity.runs.folder import CONSTANTS, RunFolder
from lenity.training.calibration import measure
from lenity.training.setup import Trainer, World, load_world


def calibrate(config: RunConfig, file: Path) -> Standardiser:
    """The constants in ``file``; if it does not exist, they are measured on the reference policy and written first."""
    if not file.is_file():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _measure(config, load_world(config, device), ALONE).save(file)
    return _read(file, [*config.rewards, *config.held_out_rewards])


def constants_of(config: RunConfig, run: RunFolder, world: World, trainer: Trainer) -> Standardiser:
    """The run's standardisation constants, of which each run folder has its own copy."""
    own, processes = run.path / CONSTANTS, trainer.processes
    if processes.broadcast_from_first(lambda: not own.is_file()):
        if config.standardisation.file:
            constants = _read(Path(config.standardisation.file), [*config.rewards, *config.held_out_rewards])
        else:
            with unsharded(trainer.actor_critic):
                constants = _measure(config, world, processes)
        if processes.first:
            constants.save(own)
        processes.wait()
    return _read(
        own, list(config.rewards)
    )  # held-out rewards may have been added later; evaluation checks their constants


def _measure(config: RunConfig, world: World, processes: Processes) -> Standardiser:
    held_out = {name: spec.load(world.policy.device) for name, spec in config.held_out_rewards.items()}
    check_columns(held_out, world.prompts, f"prompts ({world.report.source})")
    seeds.seed(config.seed, "calibrate")
    count = config.standardisation.prompts
    with track(
        "calibrating rewards", count, unit="responses", settings=config.logging, shown=processes.first
    ) as advance:
        rewards, tolerated = {**world.rewards, **held_out}, config.tolerance.unscored
        generator = world.generator(config.rollout)
        return measure(generator, rewards, world.prompts, count, advance, tolerated=tolerated, processes=processes)


def _read(file: Path, rewards: Sequence[str]) -> Standardiser:
    """The constants in ``file``, which must include those of all ``rewards``."""
    constants = Standardiser.load(file)
    constants.require(rewards, str(file))
    return constants
