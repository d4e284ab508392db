"""The loop: generate, score, compute advantages, update, record. One call a stage; each stage's file has its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from lenity import card
from lenity.config.extras import require_trackers
from lenity.console.progress import track
from lenity.data.seen import check_split
from lenity.distributed import launch, seeds
from lenity.distributed.processes import ALONE, Processes
from lenity.distributed.sharding import unsharded
from lenity.errors import ConfigError, StoppedError
from lenity.rewards.standardise import Standardiser
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage.lock import locked
from lenity.training import engines, stopping, summary
from lenity.training.calibration import measure
from lenity.training.callbacks import Callback, Called
from lenity.training.setup import Trainer, World, load_world, prepare, speaker
from lenity.training.stages import Clock, Stages, trackers
from lenity.update.kl import controller


def train(
    config: RunConfig,
    *,
    resume: bool = False,
    allow_changes: bool = False,
    gently: bool = False,
    callbacks: Sequence[Callback] = (),
) -> RunFolder:
    """Align one policy at ``config.weights``.

    Args:
        config: the whole run.
        resume: go on with the run in ``config.output`` from its newest checkpoint; start it where there is none.
        allow_changes: also where it was begun with other settings, or another number of processes.
        gently: SIGINT and SIGTERM end the run after the iteration in hand, saved.
        callbacks: each gets the row of every iteration; one that returns ``STOP`` ends the run after it, saved, as does one that
            raises, whose exception is then raised. They are called in the first process.

    Returns:
        The run folder, whose ``adapter/`` plain ``peft`` loads; without it where a callback ended the run.

    Raises:
        StoppedError: a signal ended the run.
        LenityError: see its other subclasses.
    """
    check_split(config.held_out_prompts, config.prompts, ("held_out_prompts", "prompts"))
    config = config.model_copy(update={"method": config.method.fresh(list(config.rewards))})
    require_trackers(config.logging.trackers)
    processes = launch.init_distributed(config.tolerance.silence)
    engines.require(config, processes)
    with processes.watched(), locked(Path(config.output)) if processes.first else nullcontext():
        with processes.first_before_others():
            run = RunFolder(config.output)
            if processes.first:
                run = RunFolder.entered(config, resume, allow_changes=allow_changes)
        ended = resume and run.ended(config)
        if ended or config.method.builds:
            processes.wait()  # all have read the settings as they were
            if processes.first:
                run.take_on(config, speaker(config, run, processes))
            return run if ended else _build(config, run, processes.count)
        called = Called(callbacks, processes)
        _loop(config, run, processes, allow_changes=allow_changes, gently=gently, called=called)
        called.reraise()
        return run


def _loop(
    config: RunConfig, run: RunFolder, processes: Processes, *, allow_changes: bool, gently: bool, called: Called
) -> None:
    given = config
    config, world, trainer = prepare(config, run, processes)
    constants = _constants(config, run, world, trainer)
    with nullcontext() if config.rollout.engine == "vllm" else unsharded(trainer.actor_critic):
        engine = engines.load(config, world, processes)
    stages = Stages(config, run, world, trainer, constants, controller(config.kl), engine)
    start = done = stages.restore(given, allow_changes=allow_changes)
    if config.logging.progress:
        summary.show(config, world, trainer, start)
    with (
        trackers(config, processes) as log,
        stopping.gently(trainer.notify, enabled=gently) as request,
        track(
            "aligning", config.iterations, start, unit="iterations", settings=config.logging, shown=processes.first
        ) as advance,
    ):
        spent, budget = run.tokens(), config.budget.tokens or float("inf")
        while done < config.iterations and spent < budget:
            if processes.any(request.came is not None):
                if done > start:
                    stages.save(done)
                raise StoppedError(
                    f"The run ended early, after iteration {done} of {config.iterations}; everything is saved.",
                    "Go on with resume=True.",
                    request.exit_code,
                )
            iteration, clock = done, Clock()
            with clock("generate"), stages.saved(done, unless=start):
                rollouts = stages.generate(iteration)
            with clock("score"):
                scored = stages.score(rollouts, iteration)
            with config.method.during(config.progress(iteration, spent)) as rule:
                with clock("advantages"):
                    batch, entropy = stages.compute_advantages(scored, rule)
                with clock("update"):
                    row = stages.update(batch, entropy, rule, iteration)
            row = stages.record(row, batch, clock, iteration, log)
            done, spent = done + 1, spent + row["tokens"]
            stop = called(row)
            if done == config.iterations or spent >= budget or stop or done % config.checkpoint.every == 0:
                stages.save(done)
            advance(1, summary.headline(row))
            if stop and done < config.iterations and spent < budget:
                trainer.notify(
                    f"A callback ended the run after iteration {done} of {config.iterations}; it can be resumed."
                )
                return
        stages.finish()


def calibrate(config: RunConfig, file: Path) -> Standardiser:
    """The constants in ``file``, measured on the reference policy and written first where it does not exist."""
    if not file.is_file():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _measure(config, load_world(config, device), ALONE).save(file)
    return _read(config, file)


def _build(config: RunConfig, run: RunFolder, processes: int) -> RunFolder:
    """A run whose method makes the adapter in its own way; the constants and the model card are as ever."""
    if processes > 1:
        raise ConfigError(f"this method runs in one process, found {processes}.", "Start it without a launcher.")
    constants = calibrate(config, Path(config.standardisation.file or run.path / "standardisation.json"))
    constants.save(run.path / "standardisation.json")
    config.method.build(config, run)
    card.write(config, run)
    return run


def _constants(config: RunConfig, run: RunFolder, world: World, trainer: Trainer) -> Standardiser:
    """The frozen constants; each run folder keeps its own copy."""
    own, processes = run.path / "standardisation.json", trainer.processes
    if processes.broadcast_from_first(lambda: not own.is_file()):
        if config.standardisation.file:
            found = _read(config, Path(config.standardisation.file))
        else:
            with unsharded(trainer.actor_critic):
                found = _measure(config, world, processes)
        if processes.first:
            found.save(own)
        processes.wait()
    return _read(config, own, own=True)


def _measure(config: RunConfig, world: World, processes: Processes) -> Standardiser:
    held_out = {name: spec.load(world.policy.device) for name, spec in config.held_out_rewards.items()}
    seeds.seed(config.seed, "calibrate")
    count = config.standardisation.prompts
    with track(
        "calibrating rewards", count, unit="responses", settings=config.logging, shown=processes.first
    ) as advance:
        rewards, tolerated = {**world.rewards, **held_out}, config.tolerance.unscored
        generator = world.generator(config)
        return measure(generator, rewards, world.prompts, count, advance, tolerated=tolerated, processes=processes)


def _read(config: RunConfig, file: Path, *, own: bool = False) -> Standardiser:
    """Constants in ``file``; a run's ``own`` may lack a held-out reward that was named later, which evaluation finds."""
    found = Standardiser.load(file)
    found.require([*config.rewards, *(() if own else config.held_out_rewards)], str(file))
    return found
