"""Methods that make their adapter without the loop, and the one door to any training."""

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
    """The finished run folder of ``config``, made as its method makes it; its ``adapter/`` is one that plain ``peft`` loads.

    Args:
        config: the whole run.
        resume: go on with the run in ``config.output`` from its newest checkpoint; start it where there is none.
        allow_changes: also where it was begun with other settings, or another number of processes.
        gently: SIGINT and SIGTERM end a run in the loop after the iteration in hand, saved.
        callbacks: each gets the row of every iteration of the loop, in the first process; one that returns ``STOP`` ends the run
            after it, saved, as does one that raises, whose exception is then raised.

    Raises:
        StoppedError: a signal ended the run.
        LenityError: see its other subclasses.
    """
    if callbacks and config.method.loop_rule is None:
        raise ConfigError(
            "callbacks are given, and the method does not train this run in the loop that calls them.",
            "Leave them out.",
        )
    return config.method.train(config, resume=resume, allow_changes=allow_changes, gently=gently, callbacks=callbacks)


class Built(Method):
    """A method that makes its adapter in one process, in a way of its own; what it :meth:`build` does is all it must say."""

    @abc.abstractmethod
    def build(self, config: RunConfig, run: RunFolder) -> None:
        """Write ``run``'s adapter; called again on a resume, with what an earlier call left in the folder."""

    def train(
        self, config: RunConfig, *, resume: bool = False, allow_changes: bool = False, gently: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> RunFolder:  # fmt: skip
        """The run folder with the adapter that :meth:`build` writes, the constants and the model card."""
        return built(config, self.build, resume=resume, allow_changes=allow_changes)


def built(
    config: RunConfig, build: Callable[[RunConfig, RunFolder], None], *, resume: bool, allow_changes: bool
) -> RunFolder:
    """The run folder with the adapter that ``build`` writes into it; the constants and the model card are as in the loop.

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
