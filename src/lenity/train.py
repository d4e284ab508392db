"""The loop: generate, score, credit, update, checkpoint. One call a stage; read it top to bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from lenity import card, checkpoint, metrics, seeds, summary
from lenity.advantages.credit import credit
from lenity.batch import Credited, Rollouts, Scored
from lenity.config.run import RunConfig
from lenity.data.order import batch_at
from lenity.rewards.calibrate import measure, score_all
from lenity.rewards.standardise import Standardiser
from lenity.run_folder import RunFolder
from lenity.setup import Trainer, World, constants_file, load_world, prepare
from lenity.terminal import bar
from lenity.update.kl import controller


def train(config: RunConfig, *, resume: bool = False) -> RunFolder:
    """Align one policy at ``config.weights``.

    Args:
        config: the whole run.
        resume: go on with the run in ``config.output`` from its newest checkpoint; start it where there is none.

    Returns:
        The run folder, whose ``adapter/`` plain ``peft`` loads.

    Raises:
        LenityError: see its subclasses.
    """
    run = RunFolder.open(config, resume)
    if resume and run.finished:
        return run
    config, world, trainer = prepare(config, run)
    standardiser = _constants(config, run, world, trainer)
    kl = controller(config.kl)
    start = _restore(run, trainer, kl)
    names = list(config.objectives.names)
    main = trainer.accelerator.is_main_process
    if main and config.logging.progress:
        summary.show(config, world, trainer, start)
    with (
        _trackers(config, trainer),
        bar("aligning", config.iterations, shown=main and config.logging.progress) as advance,
    ):
        advance(start)
        for iteration in range(start, config.iterations):
            clock = Clock()
            with clock("generate"):
                rollouts = generate(config, world, trainer, iteration)
            with clock("score"):
                scored = score(rollouts, world, standardiser, names)
            with clock("credit"):
                rule = config.method.at(iteration / config.iterations)
                weights = config.objectives.weight_vector(scored.raw.device)
                credited, entropy = credit(
                    scored, trainer.module, rule=rule, weights=weights, beta=kl.coefficient, settings=config.ppo, total=trainer.total
                )  # fmt: skip
                row = metrics.measure(credited, entropy, config.objectives, trainer.total)
            with clock("update"):
                row |= {"kl_coefficient": kl.coefficient, "learning_rate": trainer.update.schedule.get_last_lr()[0]}
                row |= trainer.update(credited, lambda epoch, i=iteration: _seed(config, "update", trainer, i, epoch))  # type: ignore[misc]
                kl.update(row["kl"], config.rollout.batch_size)
            row = {"iteration": iteration + 1} | row | clock.report(row["tokens"])
            if main:
                run.append(row, _samples(credited, names, iteration + 1, config.logging.samples))
                if (iteration + 1) % config.checkpoint.every == 0 or iteration + 1 == config.iterations:
                    _checkpoint(config, run, trainer, kl, iteration + 1)
            trainer.accelerator.log(_flat(row), step=iteration + 1)
            advance(1, description=summary.headline(row))
    if main:
        card.finish(config, run, trainer.actor_critic.policy)
    trainer.accelerator.wait_for_everyone()
    return run


def calibrate(config: RunConfig, file: Path) -> Standardiser:
    """The constants in ``file``, measured on the reference policy and written first where it does not exist."""
    if not file.is_file():
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _measure(config, load_world(config, device), file)
    return _read(config, file)


def generate(config: RunConfig, world: World, trainer: Trainer, iteration: int) -> Rollouts:
    """This process's share of the iteration's prompts, answered by the policy as it is now."""
    _seed(config, "generate", trainer, iteration)
    rank, processes = trainer.accelerator.process_index, trainer.accelerator.num_processes
    chosen = batch_at(len(world.prompts), iteration, config.rollout.batch_size, config.seed)[rank::processes]
    trainer.actor_critic.eval()
    return world.generator(config).generate([world.prompts[i] for i in chosen])


def score(rollouts: Rollouts, world: World, standardiser: Standardiser, names: list[str]) -> Scored:
    """Raw and standardised scores, one column an objective."""
    columns = score_all(world.rewards, rollouts.prompts, rollouts.responses)
    raw = torch.tensor([columns[name] for name in names]).T
    standard = torch.tensor([standardiser.apply(name, columns[name]) for name in names]).T
    device = rollouts.response_mask.device
    return Scored(
        **{field.name: getattr(rollouts, field.name) for field in fields(rollouts)},
        raw=raw.float().contiguous().to(device),
        standardised=standard.float().contiguous().to(device),
    )


class Clock:
    """Seconds each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 4)

    def report(self, tokens: int) -> dict[str, Any]:
        """Fields of a metrics row."""
        return {"tokens_per_second": round(tokens / sum(self.seconds.values()), 1), "seconds": self.seconds}


def _constants(config: RunConfig, run: RunFolder, world: World, trainer: Trainer) -> Standardiser:
    """The frozen constants; each run folder keeps its own copy."""
    own = run.path / "standardisation.json"
    with trainer.accelerator.main_process_first():
        if not own.is_file():
            if config.standardisation.file:
                _read(config, constants_file(config)).save(own)
            else:
                _measure(config, world, own)
    return _read(config, own)


def _measure(config: RunConfig, world: World, file: Path) -> None:
    device = world.policy.device
    rewards = dict(world.rewards) | {name: spec.load(device) for name, spec in config.held_out_rewards.items()}
    seeds.seed(config.seed, "calibrate")
    count = config.standardisation.prompts
    with bar("calibrating rewards", count, shown=config.logging.progress) as advance:
        measure(world.generator(config), rewards, world.prompts, count, advance).save(file)


def _read(config: RunConfig, file: Path) -> Standardiser:
    found = Standardiser.load(file)
    found.require([*config.rewards, *config.held_out_rewards], str(file))
    return found


def _seed(config: RunConfig, stage: seeds.Stage, trainer: Trainer, *position: int) -> None:
    seeds.seed(config.seed, stage, *position, trainer.accelerator.process_index)


def _checkpoint(config: RunConfig, run: RunFolder, trainer: Trainer, kl: Any, iteration: int) -> None:
    state = {"kl_coefficient": kl.coefficient, "schedule": trainer.update.schedule.state_dict()}
    checkpoint.save(
        run.checkpoints,
        iteration,
        trainer.actor_critic,
        trainer.update.optimizer,
        state=state,
        keep_last=config.checkpoint.keep_last,
    )


def _restore(run: RunFolder, trainer: Trainer, kl: Any) -> int:
    """Iterations already done."""
    state = checkpoint.load(run.checkpoints, trainer.actor_critic, trainer.update.optimizer)
    if state is None:
        run.truncate(0)
        return 0
    kl.coefficient = state["kl_coefficient"]
    trainer.update.schedule.load_state_dict(state["schedule"])
    run.truncate(state["iteration"])
    return int(state["iteration"])


def _samples(batch: Credited, names: list[str], iteration: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "iteration": iteration,
            "prompt": batch.prompts[i],
            "response": batch.responses[i],
            "raw": dict(zip(names, batch.raw[i].tolist(), strict=True)),
        }
        for i in range(min(count, len(batch)))
    ]


@contextmanager
def _trackers(config: RunConfig, trainer: Trainer) -> Iterator[None]:
    if config.logging.trackers:
        trainer.accelerator.init_trackers("lenity", config={key: str(value) for key, value in config.dump().items()})
    yield
    trainer.accelerator.end_training()


def _flat(row: dict[str, Any]) -> dict[str, float]:
    flat = {key: value for key, value in row.items() if not isinstance(value, dict)}
    return flat | {
        f"{key}/{name}": value for key, inner in row.items() if isinstance(inner, dict) for name, value in inner.items()
    }
