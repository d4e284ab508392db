"""Who the judge is, how it was asked and how it answered, from ``judge.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lenity.judge.endpoint import is_loopback
from lenity.report.panels.base import settings_text

ASKED = ("repeats", "limit", "temperature", "seed", "max_tokens", "parse_retries", "extra")
SCALE = "integers from 0 to 10; where standardised, by the mean and deviation of the reference policy's, found when the report is written and not frozen in the protocol"


def judging(folder: Path) -> list[tuple[str, str]]:
    """Terms and descriptions; none where there is no such file. The endpoint's name is left out, as it may be private."""
    file = folder / "judge.json"
    if not file.is_file():
        return []
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    rubrics = ", ".join(f"{name} sha256 {digest}" for name, digest in found["rubrics"].items())
    return [
        ("Judge", f"{found['model']}, {_where(found['endpoint'])}"), ("Judge's rubrics", rubrics),
        ("Judge's questions", settings_text({name: found[name] for name in ASKED})),
        ("Judge's answers", _answers(found)), ("Judge's scores", SCALE),
    ]  # fmt: skip


def _where(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if is_loopback(parts.hostname or ""):
        return "on the machine that asked"
    return f"on another machine, over {parts.scheme}"


def _answers(found: dict[str, Any]) -> str:
    rate = found["parse_failure_rate"]
    if rate["value"] is None:
        return "none"
    share, low, high = (f"{100 * rate[name]:.1f}" for name in ("value", "low", "high"))
    return (
        f"{share} % [{low}, {high}] of {found['calls'] + found['from_cache']:,} were no integer from 0 to 10; "
        f"{found['missing_scores']:,} of {found['questions']:,} scores are missing"
    )
