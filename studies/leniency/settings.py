"""What is compared: linear scalarisation and its rivals, gates x temperatures x schedules, and candidates of our own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from lenity.lab.candidates import Pulse
from lenity.rules import MGDA, PLC, Entropic, Lenient, Linear, Rule
from lenity.rules.torchjd import TorchJD

Gate = Literal["sigmoid", "centered", "net"]
GATES: tuple[Gate, ...] = ("sigmoid", "centered", "net")
KINDS = (*GATES, "entropic")
TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
FEW = (0.1, 0.5, 2.0)
ENDS = (0.3, 0.6, 0.9)
LINEAR, LINEAR_STANDARDISED = "linear", "linear, standardised"


@dataclass(frozen=True)
class Setting:
    """A rule, and how it is followed.

    Args:
        name: in tables and files.
        kind: one of :data:`KINDS`, or a rival; colours figures.
        rule: from :mod:`lenity.rules` or :mod:`lenity.lab.candidates`.
        schedule: of the leniency, as tables name it.
        climb: name in :data:`studies.leniency.climbs.CLIMBS`.
        standardised: advantages of standard deviation 1, as the trainer has them by default.
        pace: times the family's step size.
    """

    name: str
    kind: str
    rule: Rule
    schedule: str = "constant"
    climb: Literal["plain", "kept", "stalled"] = "plain"
    standardised: bool = False
    pace: float = 1.0

    @property
    def baseline(self) -> str:
        """What it is compared with, in the same worlds."""
        return LINEAR_STANDARDISED if self.standardised else LINEAR

    @property
    def temperature(self) -> float | None:
        """tau, of rules that have one."""
        return self.rule.temperature if isinstance(self.rule, Lenient) else None

    @property
    def novel(self) -> bool:
        """Whether no run can name it."""
        return isinstance(self.rule, Pulse) or self.climb != "plain"

    def key(self) -> dict[str, Any]:
        """All that its results depend on, apart from the worlds."""
        rule = {"class": type(self.rule).__name__, **self.rule.model_dump(mode="json")}
        return {"rule": rule, "climb": self.climb, "standardised": self.standardised, "pace": self.pace}


def settings() -> list[Setting]:
    """All of them; baselines first."""
    return [*_rivals(), *_lenient(), *_candidates(), *_standardised()]


def paper(kind: str = "sigmoid", tau: float = 0.5, schedule: str = "constant") -> str:
    """The name of a lenient setting; by default the paper's."""
    return f"{kind} τ {tau:g}, {schedule}"


def _rivals() -> Iterator[Setting]:
    yield Setting(LINEAR, "linear", Linear())
    yield Setting("linear, steps × 2", "linear", Linear(), pace=2.0)
    yield Setting("mgda", "mgda", MGDA())
    yield Setting("pcgrad", "pcgrad", TorchJD(aggregator="PCGrad"))


def _lenient() -> Iterator[Setting]:
    for kind, tau, name in product(KINDS, TEMPERATURES, schedules()):
        yield Setting(paper(kind, tau, name), kind, _rule(kind, tau, name), name)


def schedules() -> dict[str, dict[str, Any]]:
    """Fields of a lenient rule by the name of the schedule."""
    falling = {f"{shape} to {end:g}": {"schedule": shape, "schedule_end": end}
               for shape, end in product(("linear", "cosine"), ENDS)}  # fmt: skip
    return {"constant": {"schedule": "constant", "schedule_end": 1.0}, **falling}


def _candidates() -> Iterator[Setting]:
    for gate, tau in product(GATES, FEW):
        pulse = Pulse(gate=gate, temperature=tau, **schedules()["constant"])
        yield Setting(paper(gate, tau, "pulse"), gate, pulse, "pulse")
        yield Setting(paper(gate, tau, "pulse, best kept"), gate, pulse, "pulse, best kept", climb="kept")
        falling = PLC(gate=gate, temperature=tau, schedule="linear", schedule_end=0.8)
        yield Setting(paper(gate, tau, "once stalled"), gate, falling, "once stalled", climb="stalled")


def _standardised() -> Iterator[Setting]:
    yield Setting(LINEAR_STANDARDISED, "linear", Linear(), standardised=True)
    for kind, tau, name in product(KINDS, FEW, ("constant", "linear to 0.6")):
        yield Setting(f"{paper(kind, tau, name)}, standardised", kind, _rule(kind, tau, name), name, standardised=True)


def _rule(kind: str, tau: float, schedule: str) -> Lenient:
    fields = {"temperature": tau, **schedules()[schedule]}
    return Entropic(**fields) if kind == "entropic" else PLC(gate=kind, **fields)
