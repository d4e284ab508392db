"""All that a report says, read and computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lenity.evaluation import protocol
from lenity.evaluation.protocol import Protocol
from lenity.report.collect import Best, Run, View, read_all, read_best, views
from lenity.report.comparison import Comparison, compare


@dataclass(frozen=True)
class Evidence:
    """The evaluated runs of a folder, and their comparison in each view.

    ``helpers`` are runs that were made for other methods alone and are compared with none; ``folders`` were read where they are not
    ``folder``, into which the report is written.
    """

    folder: Path
    runs: list[Run]
    best: Best | None
    comparisons: list[Comparison]
    protocol: Protocol | None
    helpers: list[Run] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)

    @property
    def main(self) -> Comparison:
        """By held-out rewards, which training cannot have exploited, where they measure every objective; else by the trained ones."""
        held_out = [found for found in self.comparisons if found.view.name == "held-out rewards"]
        return [*held_out, *self.comparisons][0]

    @property
    def read(self) -> list[Path]:
        """The folders that were read."""
        return self.folders or [self.folder]


def gather(
    folders: str | Path | Sequence[str | Path], rule: protocol.Rule = "fixed", output: str | Path | None = None
) -> Evidence:
    """Read ``folders`` and compare their methods in every view.

    Args:
        folders: one, or several, of runs and sweeps.
        rule: of the hypervolume's reference point, see :func:`lenity.report.comparison.compare`; ``fixed`` takes the point of
            the folder's ``protocol.yaml`` where it has one.
        output: where the report is written; default: the folder, or the working directory where there are several.

    Raises:
        ProtocolError: a run was measured otherwise than a folder's ``protocol.yaml`` says, or than another run.
    """
    read = [Path(folders)] if isinstance(folders, str | Path) else list(map(Path, folders))
    every = read_all(*read)
    asked = [run for run in every if not run.made_for]
    runs, helpers = (asked, [run for run in every if run.made_for]) if asked else (every, [])
    expected = {name: known for folder in read for name, known in protocol.frozen(folder).items()}
    for run in every:
        if run.protocol:
            protocol.check_all(expected, run.protocol, str(run.place / protocol.FILE))
    shared, best = next(iter(expected.values()), None), next(filter(None, map(read_best, read)), None)
    found = [
        compare(runs, view, best, rule=rule, reference=_point(shared, view) if rule == "fixed" else None)
        for view in views(runs)
    ]
    where = Path(output) if output is not None else read[0] if len(read) == 1 else Path()
    return Evidence(where, runs, best, found, shared, helpers, read)


def _point(shared: Protocol | None, view: View) -> Sequence[float] | None:
    known = shared.reference.point if shared else {}
    columns = list(view.columns.values())
    return [known[name] for name in columns] if set(columns) <= set(known) else None
