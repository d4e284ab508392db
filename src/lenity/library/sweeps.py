"""Sweeps: one trainer's run at several weights and by several methods, for ``lenity.sweep`` and ``lenity sweep``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenity.config.load import parse
from lenity.config.sections import Progress
from lenity.console.terminal import quietly
from lenity.errors import ConfigError, LenityError
from lenity.library.arguments import check_given
from lenity.library.front import Front
from lenity.library.inputs import write_all
from lenity.library.messages import SOURCE, in_python, naming_arguments
from lenity.library.trainer import Trainer
from lenity.pareto import weights
from lenity.rewards.given import handed_over
from lenity.runs.config import RunConfig
from lenity.sweep.config import SweepConfig, own_method, several
from lenity.sweep.in_process import InProcess
from lenity.sweep.plan import made_for, plan

if TYPE_CHECKING:
    import os

    from lenity.sweep.executors import Executor
    from lenity.sweep.record import Outcome

Points = int | str | Sequence[Any] | None


@dataclass(frozen=True)
class Sweep:
    """A sweep and its planned runs.

    Args:
        trainer: trainer of the run that is varied; all runs use its reward functions.
        settings: methods, points, seeds and tokens.
        output: the sweep folder.
    """

    trainer: Trainer
    settings: SweepConfig
    output: Path

    @cached_property
    def points(self) -> list[dict[str, float]]:
        """The preference weights of the sweep's points, by objective."""
        return weights.points(list(self.settings.run.rewards), self.settings.points)

    @cached_property
    def configs(self) -> list[RunConfig]:
        """One configuration per run."""
        run = self.trainer.arguments.config(self.output)
        return plan(
            run, self.settings.methods, self.points, self.output, self.settings.seeds, tokens=self.settings.tokens
        )

    @cached_property
    def made_for(self) -> dict[str, list[str]]:
        """The methods that need a run which was not requested itself, by the run's output folder."""
        return made_for(self.configs, self.settings.methods, self.points)

    def carry_out(
        self,
        jobs: int = 1,
        threads: int | None = None,
        *,
        executor: Executor | None = None,
        retries: int = 0,
        allow_changes: bool = False,
        progress: Progress | None = None,
    ) -> list[Outcome]:
        """The outcome of each run; finished runs are kept, interrupted runs resume. See :func:`lenity.sweep.run.run_sweep`."""
        from lenity.sweep.run import run_sweep

        configs = self.configs  # planned before anything is written
        arguments = self.trainer.arguments
        with handed_over(arguments.functions), quietly():
            check_given(self.settings.run)
            write_all(arguments.inputs.values(), self.output)
            return run_sweep(
                configs, self.output, jobs, threads,
                allow_changes=allow_changes, executor=executor, retries=retries, progress=progress, made_for=self.made_for,
            )  # fmt: skip


def sweep(
    trainer: Trainer,
    points: Points = None,
    methods: Sequence[Any] | str | None = None,
    seeds: int | Sequence[int] | None = None,
    jobs: int = 1,
    *,
    tokens: int | None = None,
    output: str | os.PathLike[str] | None = None,
    allow_changes: bool = False,
) -> Front:
    """The front of a trainer's run at several preference weights and by one or several methods, after all runs were evaluated.

    After an interruption, the same call resumes the sweep; finished runs are kept. ``lenity sweep`` does the same in the same folder.

    Args:
        trainer: trainer of the run that is varied. Its ``weights`` and ``output`` are not used; all runs are scored on its ``eval_dataset``.
        points: number of evenly spread weightings; or names such as ``"corners"`` and ``"lattice:10"``; or weights. Default: 11
            weightings for two objectives, 10 for three.
        methods: names or rules. Default: the trainer's method.
        seeds: one or several seeds; each method runs once per weighting and seed. Default: the trainer's seed.
        jobs: number of runs at once. 1 trains in this process; more start worker processes, to which Python functions cannot be sent.
        tokens: maximum of generated tokens per method and seed, divided among the method's runs.
        output: folder of the sweep. Default: the trainer's, with ``_sweep`` appended.
        allow_changes: runs that were started with other settings resume with these.

    Raises:
        LenityError: an argument is wrong; or a run failed, which is raised after the other runs have ended. The message names it.

    Example:
        >>> front = lenity.sweep(trainer, points=5, methods=["plc", "linear"])  # doctest: +SKIP
        >>> front.table()  # doctest: +SKIP
    """
    if not isinstance(trainer, Trainer):
        raise ConfigError(f"trainer is {type(trainer).__name__}.", "Give a lenity.Trainer.")
    with naming_arguments(trainer.config.rewards):
        _refuse(trainer, jobs)
        run = trainer.config
        fields = {
            "run": run,
            "methods": [own_method(run, method) for method in several(methods) or [run.method]],
            "points": _words(points, list(run.rewards)),
            "seeds": [run.seed] if seeds is None else seeds,
            "tokens": tokens,
        }
        settings = parse(SweepConfig, fields, source=SOURCE)
        folder = Path(output) if output is not None else Path(f"{run.output}_sweep")
        planned = Sweep(trainer, settings, folder)
        outcomes = planned.carry_out(
            jobs, executor=InProcess() if jobs == 1 else None, allow_changes=allow_changes, progress=run.logging
        )
        if failed := [outcome for outcome in outcomes if outcome.error]:
            raise LenityError(
                f"{len(failed)} of {len(outcomes)} runs failed; the first, {failed[0].run}: {in_python(str(failed[0].error), run.rewards)}",
                f"The same call runs these again and keeps the others, which lenity.load_front({str(folder)!r}) loads.",
            )
    return Front(folder, trainer.arguments.functions)


def _refuse(trainer: Trainer, jobs: int) -> None:
    """Check that a sweep can use ``trainer`` with ``jobs`` runs at once.

    Raises:
        ConfigError: it cannot.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ConfigError(f"jobs is {jobs!r}.", "Give how many runs may train at once, at least 1.")
    if trainer.callbacks:
        raise ConfigError(
            "the trainer has callbacks, which a sweep does not call.", "Give a trainer without callbacks."
        )
    if jobs > 1 and trainer.arguments.functions:
        raise ConfigError(
            f"jobs is {jobs}, but reward '{next(iter(trainer.arguments.functions))}' is a Python function, which cannot be sent to another process.",
            "Use jobs=1, or name the function as 'package.module:function' or 'file.py:function'.",
        )


def _words(points: Points, names: Sequence[str]) -> Any:
    """``points`` as the configuration of a sweep takes them; a number becomes that many evenly spread weightings."""
    if not isinstance(points, int) or isinstance(points, bool):
        return points
    if points < 1:
        raise ConfigError(f"points is {points}.", "Give at least 1.")
    if points == 1 or len(names) == 1:
        return ["centre"]
    steps = next(step for step in range(1, points + 1) if math.comb(step + len(names) - 1, len(names) - 1) >= points)
    even = math.comb(steps + len(names) - 1, len(names) - 1) == points
    return [f"lattice:{steps}" if even else f"riesz:{points}"]
