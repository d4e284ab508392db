"""``train``, the entry point of every method's training, and the base class of methods that build their adapter outside the loop."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from pathlib import Path

from lenity.errors import ConfigError
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.runs.method import Callback, Method


def train(
    config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
    callbacks: Sequence[Callback] = (),
) -> RunFolder:  # fmt: skip
    """The finished run folder of ``config``, trained by its method; plain ``peft`` loads its ``adapter/``.

    Args:
        config: the configuration of the run.
        resume: continue the run in ``config.output`` from its newest checkpoint, or start it if there is none.
        allow_changes: resume also if settings or the number of processes differ from those that the run started with.
        gently: on SIGINT or SIGTERM, a run in the loop finishes its current iteration, saves a checkpoint and ends.
        callbacks: functions that the first process calls with the metrics row of every iteration of the loop. If one returns ``STOP``
            or raises, the run saves a checkpoint and ends after that iteration; then the exception is raised.

    Raises:
        StoppedError: a signal ended the run.
        LenityError: see its other subclasses.
    """
    if callbacks and config.method.loop_rule is None:
        raise ConfigError(
            "callbacks are set, but the method does not train this run in the loop, which calls them.",
            "Leave them out.",
        )
    return config.method.train(config, resume=resume, allow_changes=allow_changes, gently=gently, callbacks=callbacks)


class Built(Method):
    """A method that builds its adapter in one process, outside the loop; subclasses implement :meth:`build`."""

    @abc.abstractmethod
    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write the adapter of ``run``; a resumed run calls this again, with the files of the earlier call in its folder."""

    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The run folder with the adapter that :meth:`build` writes, the standardisation constants and the model card."""
        return built(config, self.build, resume=resume, allow_changes=allow_changes)


def built(
    config: RunConfig, build: Callable[[RunConfig, RunFolder], None], *, resume: bool, allow_changes: bool
) -> RunFolder:
    """The run folder with the adapter that ``build`` writes; the standardisation constants and the model card are as in the loop.

    Raises:
        ConfigError: several processes were launched.
    """
    from lenity import card
    from lenity.training.constants import calibrate
    from lenity.training.opening import opened

    with opened(config, resume=resume, allow_changes=allow_changes) as (run, processes, ended):
        if ended:
            return run
        if processes.count > 1:
            raise ConfigError(
                f"this method runs in one process, found {processes.count}.", "Start it without a launcher."
            )
        constants = calibrate(config, Path(config.standardisation.file or run.path / "standardisation.json"))
        constants.save(run.path / "standardisation.json")
        build(config, run)
        card.write(config, run)
    return run
