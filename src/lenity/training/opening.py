"""The start of every training run, in the loop or outside it: checks, processes, and the locked run folder."""

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
    """The locked run folder, the processes that share it, and whether its run has already ended."""

    run: RunFolder
    processes: Processes
    ended: bool


@contextmanager
def opened(config: RunConfig, *, resume: bool, allow_changes: bool) -> Iterator[Opened]:
    """The run folder ``config.output``, locked inside the block, with ``config`` recorded in it.

    In a resumed run of the loop, changed settings are not recorded here: the loop records them after it has read the checkpoint.

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
            processes.wait()  # until all processes have read the recorded settings
            if processes.first:
                run.take_on(config, speaker(config.logging, run, processes))
        yield Opened(run, processes, ended)
