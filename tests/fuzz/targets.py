"""What is fuzzed, and how: no exception but ours may come out, and its text can be printed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from fuzz.configs import CONFIGS, read_config
from fuzz.files import FILES, read_rows
from fuzz.judge_replies import REPLIES, read_reply
from fuzz.manifests import MANIFESTS, check_manifest
from fuzz.transcripts import TRANSCRIPTS, read_transcripts
from lenity.errors import LenityError


@dataclass(frozen=True)
class Target:
    """``run`` is given ``inputs`` one by one; it raises ``AssertionError`` where a law is broken."""

    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], None]


TARGETS = {
    "configurations": Target(CONFIGS, read_config),
    "transcripts": Target(TRANSCRIPTS, read_transcripts),
    "judge replies": Target(REPLIES, read_reply),
    "manifests": Target(MANIFESTS, check_manifest),
    "data files": Target(FILES, read_rows),
}


def outcome(target: Target, given: Any) -> str:
    """``accepted``, or the kind of our own error; anything else comes out as it is."""
    try:
        target.run(given)
    except LenityError as error:
        str(error).encode()
        return type(error).__name__
    return "accepted"


def fuzz(target: Target, inputs: int, number: int, tell: Callable[[str, Any], None]) -> None:
    """Run ``inputs`` inputs and tell the outcome of each, which for an exception that is not ours is its place.

    Args:
        target: what to run.
        inputs: how many; Hypothesis may add a few.
        number: seeds the inputs.
        tell: gets the outcome and, where it is a foreign exception, the input.
    """

    @seed(number)
    @settings(
        max_examples=inputs,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def once(drawn: Any) -> None:
        try:
            tell(outcome(target, drawn), None)
        except Exception as error:
            tell(_where(error), drawn)

    once()


def foreign(outcomes: Counter[str]) -> Counter[str]:
    """Those of the outcomes that are findings."""
    return Counter({name: count for name, count in outcomes.items() if " at " in name})


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace else None
    return (
        f"{type(error).__name__} at {code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if code and trace else ""
    )
