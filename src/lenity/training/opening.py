"""What every training begins with, in the loop or not: checks, processes, the locked run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from lenity.config.extras import require_trackers
from lenity.data.seen import check_split
from lenity.distributed import launch
from lenity.distributed.processes import Processes
from lenity.runs.config import RunConfig
from lenity.runs.folder import RunFolder
from lenity.storage.lock import locked
from lenity.training import engines
from lenity.training.setup import speaker


class Opened(NamedTuple):
    """A run folder that is this training's, the processes that share it, and whether nothing is left to do there."""

    run: RunFolder
    processes: Processes
    ended: bool


@contextmanager
def opened(config: RunConfig, *, resume: bool, allow_changes: bool) -> Iterator[Opened]:
    """The folder ``config.output``, for as long as the training runs; its settings are on record but where the loop goes on.

    The loop puts settings that differ on record once it has read a checkpoint and can go on with them.

    Raises:
        LenityError: the configuration or the folder does not allow the training.
    """
    check_split(config.held_out_prompts, config.prompts, ("held_out_prompts", "prompts"))
    config.method.check_objectives(list(config.rewards))
    require_trackers(config.logging.trackers)
    processes = launch.init_distributed(config.tolerance.silence)
    engines.require(config.rollout, processes)
    with processes.watched(), locked(Path(config.output)) if processes.first else nullcontext():
        with processes.first_before_others():
            run = RunFolder(config.output)
            if processes.first:
                run = RunFolder.entered(config, resume, allow_changes=allow_changes)
        ended = resume and run.ended(config)
        if ended or config.method.loop_rule is None:
            processes.wait()  # all have read the settings as they were
            if processes.first:
                run.take_on(config, speaker(config.logging, run, processes))
        yield Opened(run, processes, ended)
