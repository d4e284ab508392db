"""The training loop: generate, score, compute advantages, update, record. One call per stage; the arithmetic is in the stages' files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from lenity.config.base import member_name
from lenity.console.progress import track
from lenity.distributed import stopping
from lenity.distributed.processes import Processes
from lenity.distributed.sharding import unsharded
from lenity.errors import ConfigError, StoppedError
from lenity.rules import Rule
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.runs.method import METHODS, Callback
from lenity.training import engines, summary
from lenity.training.callbacks import Called
from lenity.training.constants import constants_of
from lenity.training.opening import opened
from lenity.training.setup import prepare
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
    """The finished run folder of a policy that is aligned at ``config.weights`` in the loop, with the rule of ``config.method``.

    :func:`lenity.methods.train` has the same arguments and accepts every method.

    Raises:
        ConfigError: the method does not train in the loop.
        StoppedError: a signal ended the run.
        LenityError: see its other subclasses.
    """
    if (rule := config.method.loop_rule) is None:
        name = member_name(config.method, METHODS)
        raise ConfigError(f"method {name} does not train this run in the loop.", "Call lenity.methods.train.")
    with opened(config, resume=resume, allow_changes=allow_changes) as (run, processes, ended):
        if not ended:
            called = Called(callbacks, processes)
            _loop(config, rule, run, processes, allow_changes=allow_changes, gently=gently, called=called)
            called.reraise()
        return run


def _loop(
    config: RunConfig,
    rule: Rule,
    run: RunFolder,
    processes: Processes,
    *,
    allow_changes: bool,
    gently: bool,
    called: Called,
) -> None:
    recorded = config  # without the merged policy of prepare
    config, world, trainer = prepare(config, run, processes)
    constants = constants_of(config, run, world, trainer)
    with nullcontext() if config.rollout.engine == "vllm" else unsharded(trainer.actor_critic):
        engine = engines.load(config.rollout, world, processes, base=config.policy, folder=Path(config.output))
    stages = Stages(config, rule, run, world, trainer, constants, controller(config.kl), engine)
    start, memory = stages.restore(recorded, allow_changes=allow_changes)
    done = start
    if config.logging.progress:
        summary.show(config, world, trainer, start)
    with (
        trackers(config.logging.trackers, run.path, config.dump(), processes) as log,
        stopping.gently(trainer.notify, enabled=gently) as request,
        track(
            "aligning", config.iterations, start, unit="iterations", settings=config.logging, shown=processes.first
        ) as advance,
    ):
        spent, budget = run.tokens(), config.budget.tokens or float("inf")
        while done < config.iterations and spent < budget:
            if processes.any(request.came is not None):
                if done > start:
                    stages.save(done, memory)
                raise StoppedError(
                    f"The run ended early, after iteration {done} of {config.iterations}; everything is saved.",
                    "Go on with resume=True.",
                    request.exit_code,
                )
            iteration, clock = done, Clock()
            with clock("generate"), stages.saved(done, memory, unless=start):
                rollouts = stages.generate(iteration)
            with clock("score"):
                scored = stages.score(rollouts, iteration)
            now = rule.at(config.progress(iteration, spent))
            with clock("advantages"):
                batch, entropy, memory = stages.compute_advantages(scored, now, memory)
            with clock("update"):
                row, memory = stages.update(batch, entropy, now, memory, iteration)
            row = stages.record(row, batch, clock, iteration, log)
            done, spent = done + 1, spent + row["tokens"]
            stop = called(row)
            if done == config.iterations or spent >= budget or stop or done % config.checkpoint.every == 0:
                stages.save(done, memory)
            advance(1, summary.headline(row))
            if stop and done < config.iterations and spent < budget:
                trainer.notify(
                    f"A callback ended the run after iteration {done} of {config.iterations}; it can be resumed."
                )
                return
        stages.finish()
