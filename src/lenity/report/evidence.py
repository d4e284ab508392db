"""All that a report says, read and computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lenity.evaluation import protocol
from lenity.evaluation.protocol import Protocol
from lenity.report.collect import Best, Run, View, read_best, read_runs, views
from lenity.report.comparison import Comparison, compare


@dataclass(frozen=True)
class Evidence:
    """The evaluated runs of a folder, and their comparison in each view."""

    folder: Path
    runs: list[Run]
    best: Best | None
    comparisons: list[Comparison]
    protocol: Protocol | None

    @property
    def main(self) -> Comparison:
        """By held-out rewards, which training cannot have exploited, where they measure every objective; else by the trained ones."""
        held_out = [found for found in self.comparisons if found.view.name == "held-out rewards"]
        return [*held_out, *self.comparisons][0]


def gather(folder: str | Path, rule: protocol.Rule = "fixed") -> Evidence:
    """Read ``folder`` and compare its methods in every view.

    Args:
        folder: of a run or a sweep.
        rule: of the hypervolume's reference point, see :func:`lenity.report.comparison.compare`; ``fixed`` takes the point of
            the folder's ``protocol.yaml`` where it has one.

    Raises:
        ProtocolError: a run was measured otherwise than the folder's ``protocol.yaml`` says.
    """
    folder = Path(folder)
    runs, best = read_runs(folder), read_best(folder)
    expected = protocol.frozen(folder)
    for run in runs:
        if run.protocol:
            protocol.check_all(expected, run.protocol, str(run.path / protocol.FILE))
    shared = next(iter(expected.values()), None)
    found = [
        compare(runs, view, best, rule=rule, reference=_point(shared, view) if rule == "fixed" else None)
        for view in views(runs)
    ]
    return Evidence(folder, runs, best, found, shared)


def _point(shared: Protocol | None, view: View) -> Sequence[float] | None:
    known = shared.reference.point if shared else {}
    columns = list(view.columns.values())
    return [known[name] for name in columns] if set(columns) <= set(known) else None
