"""The evidence of a report: its runs and their comparisons, read and computed once."""

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
    """The evaluated runs of folders, and their comparison in each view.

    The report is written into ``folder``; ``folders`` are those that were read, where they differ. ``helpers`` are runs made only for
    other methods, which are not compared.
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
        """The comparison by held-out rewards, which training cannot exploit, where they measure every objective; else by trained ones."""
        held_out = [one for one in self.comparisons if one.view.name == "held-out rewards"]
        return [*held_out, *self.comparisons][0]

    @property
    def read(self) -> list[Path]:
        """The folders that were read."""
        return self.folders or [self.folder]


def gather(
    folders: str | Path | Sequence[str | Path], rule: protocol.Rule = "fixed", output: str | Path | None = None
) -> Evidence:
    """The evidence in ``folders``: their runs, and the comparison of their methods in every view.

    Args:
        folders: one or several run or sweep folders.
        rule: of the hypervolume's reference point, see :func:`lenity.report.comparison.compare`; ``fixed`` uses the point in
            the folder's ``protocol.yaml`` where there is one.
        output: folder of the report; default: the folder, or the working directory for several.

    Raises:
        ProtocolError: a run's protocol differs from a folder's ``protocol.yaml``, or from another run's.
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
    comparisons = [
        compare(runs, view, best, rule=rule, reference=_point(shared, view) if rule == "fixed" else None)
        for view in views(runs)
    ]
    where = Path(output) if output is not None else read[0] if len(read) == 1 else Path()
    return Evidence(where, runs, best, comparisons, shared, helpers, read)


def _point(shared: Protocol | None, view: View) -> Sequence[float] | None:
    known = shared.reference.point if shared else {}
    columns = list(view.columns.values())
    return [known[name] for name in columns] if set(columns) <= set(known) else None
