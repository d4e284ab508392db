"""The progress of a sweep: a live table on a terminal; elsewhere one line per finished run and one at regular intervals."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from lenity.config.sections import Progress
from lenity.console.progress import draws, duration, elapsed, ticking, write
from lenity.runs.config import RunConfig
from lenity.sweep.pace import Pace, Underway
from lenity.sweep.state import State, method_of, short, state

if TYPE_CHECKING:
    from rich.console import Console

    from lenity.sweep.record import Outcome

STATES = ("done", "running", "waiting", "failed")


@contextmanager
def watch(
    configs: Sequence[RunConfig],
    jobs: int,
    kept: AbstractSet[str] = frozenset(),
    console: Console | None = None,
    settings: Progress | None = None,
) -> Iterator[Watch]:
    """A context with the :class:`Watch` that shows a sweep's progress.

    Args:
        configs: the configurations of the whole plan.
        jobs: number of runs at once.
        kept: output folders of the runs that were done before.
        console: where to print; default: the standard output.
        settings: whether to show progress, and seconds between lines; default: one line every 30 seconds.
    """
    from rich.console import Console
    from rich.live import Live

    console, settings = console or Console(), settings or Progress()
    view = Watch(configs, jobs, kept, console)
    shown: AbstractContextManager[object] = nullcontext()
    if settings.progress and view.drawn:
        shown = Live(get_renderable=view.table, console=console, refresh_per_second=1)
    elif settings.progress:
        shown = ticking(settings.every_seconds, view.tick)
    with shown:
        yield view


class Watch:
    """The states of a sweep's runs, and how they are printed."""

    def __init__(self, configs: Sequence[RunConfig], jobs: int, kept: AbstractSet[str], console: Console) -> None:
        self._configs, self._kept, self._console = configs, kept, console
        self._states = {config.output: "done" if config.output in kept else "waiting" for config in configs}
        self._running: dict[str, tuple[RunConfig, float, int]] = {}  # config, start time, first iteration
        self._pace, self._note, self._ended = Pace(jobs), "", 0
        self._begun, self.drawn = time.monotonic(), draws(console)

    def notify(self, text: str) -> None:
        """Show ``text``, what the sweep does besides the runs; an empty text removes it."""
        self._note = text
        if text and not self.drawn:
            self._console.print(text)

    def started(self, config: RunConfig) -> None:
        """Mark the run of ``config`` as running."""
        if config.output not in self._kept:
            self._states[config.output] = "running"
        self._running[config.output] = (config, time.monotonic(), state(config).rows)

    def again(self, task: str, why: str) -> None:
        """Report that ``task`` lost its process or machine and is retried."""
        self._console.print(f"again {short(task)} · {why}", markup=False, highlight=False, soft_wrap=True)

    def ended(self, config: RunConfig, outcome: Outcome) -> None:
        """Mark the run of ``config`` as done or failed."""
        self._states[config.output] = "failed" if outcome.error else "done"
        self._ended += 1
        _, _, first = self._running.pop(config.output, (config, 0.0, 0))
        if not (outcome.error or first or config.output in self._kept):
            self._pace.learn(config, outcome.seconds)
        if not self.drawn:
            self._console.print(self._line(outcome), markup=False, highlight=False, soft_wrap=True)

    def tick(self) -> None:
        """Print one line of progress."""
        write(self._head())

    def table(self) -> Any:
        """The live view: progress and time left first (a terminal of few lines shows these), one row per method, the running runs."""
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        counts = Counter((method_of(config), self._states[config.output]) for config in self._configs)
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in ("method", *STATES):
            table.add_column(name, justify="left" if name == "method" else "right")
        for method in dict.fromkeys(map(method_of, self._configs)):
            table.add_row(method, *(str(counts[method, name] or "–") for name in STATES))
        now = [_progress(config, state(config)) for config, _, _ in list(self._running.values())]
        lines = [Text(line, no_wrap=True, overflow="ellipsis") for line in now]
        return Group(Text(self._head(), style="bold"), table, *lines)

    def _head(self) -> str:
        now = Counter(self._states.values())
        counts = f"{self._ended}/{len(self._states)} runs ended, {now['running']} running"
        return f"{counts}, {elapsed(time.monotonic() - self._begun)}, {self._note or self._left()}"

    def _line(self, outcome: Outcome) -> str:
        what = "kept" if outcome.run in self._kept and not outcome.error else self._states[outcome.run]
        text = f"[{self._ended}/{len(self._states)}] {what} {short(outcome.run)} · {outcome.seconds:.0f} s · {self._left()}"
        return text + (f" · {outcome.error.splitlines()[-1]}" if outcome.error else "")

    def _left(self) -> str:
        now = time.monotonic()
        underway = [
            Underway(config, now - since, _share(state(config), first))
            for config, since, first in list(self._running.values())
        ]
        waiting = [config for config in self._configs if self._states[config.output] == "waiting"]
        if self._ended == len(self._configs):
            return "all ended"
        seconds = self._pace.left(waiting, underway)
        return "time left: not known yet" if seconds is None else f"about {duration(seconds)} left"


def _share(now: State, first: int) -> float:
    """The share of a run's work after iteration ``first`` that is done."""
    return (now.rows - first) / (now.of - first) if now.of > first else 0.0


def _progress(config: RunConfig, now: State) -> str:
    """The line of one running run: its name, iterations and last metrics."""
    from lenity.training.summary import headline

    parts = [short(config.output), f"{now.rows}/{now.of}" if now.of else "taking its adapter"]
    if now.last:
        parts.append(headline(now.last) if "kl" in now.last else str(now.last.get("stage", "")))
    return " · ".join(parts)
